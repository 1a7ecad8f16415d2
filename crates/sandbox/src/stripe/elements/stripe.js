// A stand-in for Stripe.js: the part that a checkout page with a Payment Element uses, against the origin it came from.
(() => {
  'use strict';
  const ORIGIN = new URL(document.currentScript.src).origin;

  // Messages of the API, by decline code or code, in Korean; English is what the API says.
  const KOREAN = {
    generic_decline: '카드가 거부되었습니다.',
    insufficient_funds: '카드의 잔액이 부족합니다.',
    expired_card: '카드의 유효 기간이 만료되었습니다.',
    incorrect_cvc: '카드의 보안 코드가 올바르지 않습니다.',
    incorrect_number: '카드 번호가 올바르지 않습니다.',
    processing_error: '카드를 처리하는 동안 오류가 발생했습니다. 잠시 후 다시 시도해 주세요.',
    card_declined: '카드가 거부되었습니다.',
    payment_intent_authentication_failure: '결제 수단을 인증할 수 없습니다. 다른 결제 수단을 선택하여 다시 시도해 주세요.',
  };

  class IntegrationError extends Error {
    name = 'IntegrationError';
  }

  const intentId = (clientSecret) => {
    const match = /^(pi_\w+?)_secret_\w+$/.exec(clientSecret ?? '');
    if (!match) throw new IntegrationError('Invalid value for clientSecret: it should be a PaymentIntent client secret.');
    return match[1];
  };

  const isKorean = (locale) => (locale && locale !== 'auto' ? locale : navigator.language).toLowerCase().startsWith('ko');

  const makeFrame = (url, title) => {
    const frame = document.createElement('iframe');
    frame.src = url;
    frame.title = title;
    frame.allow = 'payment *';
    Object.assign(frame.style, { width: '100%', border: '0', display: 'block' });
    return frame;
  };

  class PaymentElement {
    #frame = null;
    #listeners = new Map();
    #url;
    #onMessage = (event) => {
      if (!this.#frame || event.source !== this.#frame.contentWindow || event.origin !== ORIGIN) return;
      const { type, height, ...details } = event.data;
      if (type === 'height') this.#frame.style.height = `${height}px`;
      else this.#emit(type, { elementType: 'payment', ...(type === 'change' && { collapsed: false, value: { type: 'card' } }), ...details });
    };

    constructor(url) {
      this.#url = url;
    }

    mount(target) {
      const parent = typeof target === 'string' ? document.querySelector(target) : target;
      if (!parent) throw new IntegrationError(`The selector you specified (${target}) applies to no DOM elements.`);
      if (this.#frame) this.unmount();
      this.#frame = makeFrame(this.#url, 'Secure payment input frame');
      this.#frame.style.height = '160px';
      this.#frame.addEventListener('error', () => this.#emit('loaderror', { error: { type: 'api_connection_error' } }));
      window.addEventListener('message', this.#onMessage);
      parent.replaceChildren(this.#frame);
    }

    unmount() {
      window.removeEventListener('message', this.#onMessage);
      this.#frame?.remove();
      this.#frame = null;
    }

    destroy() {
      this.unmount();
      this.#listeners.clear();
    }

    on(type, listener) {
      this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
      return this;
    }

    off(type, listener) {
      this.#listeners.set(type, (this.#listeners.get(type) ?? []).filter((known) => listener && known !== listener));
      return this;
    }

    focus() {
      this.ask({ type: 'focus' });
    }

    update() {}

    #emit(type, event) {
      for (const listener of this.#listeners.get(type) ?? []) listener(event);
    }

    // Sends a question to the frame; the promise is its one reply.
    ask(question) {
      if (!this.#frame) throw new IntegrationError('Please mount the Payment Element first.');
      const { port1, port2 } = new MessageChannel();
      const reply = new Promise((resolve) => {
        port1.onmessage = (event) => resolve(event.data);
      });
      this.#frame.contentWindow.postMessage(question, ORIGIN, [port2]);
      return reply;
    }
  }

  class Elements {
    #key;
    #locale;
    #element = null;

    constructor(key, locale, { clientSecret }) {
      intentId(clientSecret);
      this.#key = key;
      this.#locale = locale;
      this.clientSecret = clientSecret;
    }

    create(type) {
      if (type !== 'payment') throw new IntegrationError(`The stand-in only knows the Payment Element, not: ${type}.`);
      if (this.#element) throw new IntegrationError('Can only create one Element of type payment.');
      const query = new URLSearchParams({ key: this.#key, locale: isKorean(this.#locale) ? 'ko' : 'en' });
      this.#element = new PaymentElement(`${ORIGIN}/elements/card?${query}`);
      return this.#element;
    }

    getElement(type) {
      return type === 'payment' ? this.#element : null;
    }

    update() {}

    async submit() {
      const { error } = await this.#element.ask({ type: 'validate' });
      return error ? { error } : { selectedPaymentMethod: 'card' };
    }
  }

  // Shows the bank's page over the shop's until the buyer has answered.
  const challenge = (url, korean) => new Promise((resolve) => {
    const frame = makeFrame(`${url}?locale=${korean ? 'ko' : 'en'}`, korean ? '3D 보안 인증' : '3D Secure authentication');
    Object.assign(frame.style, { position: 'fixed', inset: '0', height: '100%', zIndex: '2147483647', background: 'rgb(0 0 0 / 50%)' });
    const onMessage = (event) => {
      if (event.source !== frame.contentWindow || event.origin !== ORIGIN || event.data.type !== 'challenge-answered') return;
      window.removeEventListener('message', onMessage);
      frame.remove();
      resolve();
    };
    window.addEventListener('message', onMessage);
    frame.addEventListener('load', () => frame.focus(), { once: true });
    document.body.append(frame);
  });

  class StripeClient {
    #key;
    #locale;

    constructor(key, { locale } = {}) {
      if (!/^pk_/.test(key)) throw new IntegrationError('Please call Stripe() with your publishable key.');
      this.#key = key;
      this.#locale = locale;
    }

    elements(options) {
      return new Elements(this.#key, options.locale ?? this.#locale, options);
    }

    async retrievePaymentIntent(clientSecret) {
      const query = new URLSearchParams({ key: this.#key, client_secret: clientSecret });
      try {
        const response = await fetch(`${ORIGIN}/v1/payment_intents/${intentId(clientSecret)}?${query}`);
        const answer = await response.json();
        return response.ok ? { paymentIntent: answer } : { error: this.#localized(answer.error) };
      } catch (problem) {
        if (problem instanceof IntegrationError) throw problem;
        return { error: { type: 'api_connection_error', message: 'Network error' } };
      }
    }

    async confirmPayment({ elements, clientSecret = elements.clientSecret, confirmParams = {}, redirect = 'always' }) {
      const returnUrl = confirmParams.return_url;
      if (redirect !== 'if_required' && !returnUrl) {
        throw new IntegrationError('stripe.confirmPayment(): expected confirmParams.return_url, unless redirect is "if_required".');
      }
      const element = elements.getElement('payment');
      if (!element) throw new IntegrationError('elements should have a mounted Payment Element.');
      const { error, paymentIntent } = await element.ask({ type: 'confirm', clientSecret, returnUrl });
      if (error) return { error: this.#localized(error) };
      return this.#conclude(await this.#withNextAction(clientSecret, paymentIntent), returnUrl, redirect);
    }

    async handleNextAction({ clientSecret }) {
      const { error, paymentIntent } = await this.retrievePaymentIntent(clientSecret);
      return error ? { error } : this.#withNextAction(clientSecret, paymentIntent);
    }

    // What stands after the buyer did what the intent asks for, if it does.
    async #withNextAction(clientSecret, paymentIntent) {
      const action = paymentIntent.next_action;
      if (paymentIntent.status !== 'requires_action' || !action) return { paymentIntent };
      if (action.type === 'redirect_to_url') {
        window.location.assign(action.redirect_to_url.url);
        return new Promise(() => {}); // The page goes away.
      }
      await challenge(action.use_stripe_sdk.stripe_js, isKorean(this.#locale));
      const { error, paymentIntent: after } = await this.retrievePaymentIntent(clientSecret);
      if (error) return { error };
      if (after.status !== 'requires_payment_method') return { paymentIntent: after };
      return { error: this.#localized({ ...after.last_payment_error, payment_intent: after }) };
    }

    #conclude(result, returnUrl, redirect) {
      if (result.error || redirect === 'if_required') return result;
      const { id, client_secret: secret, status } = result.paymentIntent;
      const url = new URL(returnUrl);
      url.searchParams.set('payment_intent', id);
      url.searchParams.set('payment_intent_client_secret', secret);
      url.searchParams.set('redirect_status', status === 'processing' ? 'pending' : status);
      window.location.assign(url);
      return new Promise(() => {});
    }

    #localized(error) {
      const korean = isKorean(this.#locale) && (KOREAN[error.decline_code] ?? KOREAN[error.code]);
      return korean ? { ...error, message: korean } : error;
    }
  }

  window.Stripe = (key, options) => new StripeClient(key, options);
  window.Stripe.version = 3;
})();
