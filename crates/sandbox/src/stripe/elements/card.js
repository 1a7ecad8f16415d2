// The card form inside the frame. The card's digits never leave this origin: this page itself confirms the payment.
(() => {
  'use strict';
  const params = new URLSearchParams(location.search);
  const korean = document.documentElement.lang === 'ko';
  const form = document.getElementById('card');
  const fields = ['number', 'expiry', 'cvc'].map((name) => form.elements[name]);

  const MESSAGES = {
    incomplete_number: ['Your card number is incomplete.', '카드 번호가 불완전합니다.'],
    invalid_number: ['Your card number is invalid.', '카드 번호가 유효하지 않습니다.'],
    incomplete_expiry: ["Your card's expiration date is incomplete.", '카드 만료일이 불완전합니다.'],
    invalid_expiry_month: ["Your card's expiration date is invalid.", '카드 만료일이 유효하지 않습니다.'],
    invalid_expiry_year_past: ["Your card's expiration year is in the past.", '카드의 유효 기간이 지났습니다.'],
    incomplete_cvc: ["Your card's security code is incomplete.", '카드 보안 코드가 불완전합니다.'],
  };

  const digits = (text) => text.replace(/\D/g, '');

  const passesLuhn = (number) => {
    const sum = [...number].reverse().reduce((total, digit, place) => {
      const value = Number(digit) * (place % 2 ? 2 : 1);
      return total + (value > 9 ? value - 9 : value);
    }, 0);
    return sum % 10 === 0;
  };

  const expiry = () => {
    const text = digits(form.elements.expiry.value);
    return { month: Number(text.slice(0, 2)), year: 2000 + Number(text.slice(2, 4)), complete: text.length === 4 };
  };

  // Each check names what is wrong, or nothing.
  const CHECKS = {
    number: (text) => {
      const number = digits(text);
      if (number.length < (/^3[47]/.test(number) ? 15 : /^3[068]/.test(number) ? 14 : 16)) return 'incomplete_number';
      return passesLuhn(number) ? null : 'invalid_number';
    },
    expiry: () => {
      const { month, year, complete } = expiry();
      if (!complete) return 'incomplete_expiry';
      if (month < 1 || month > 12) return 'invalid_expiry_month';
      const today = new Date();
      const past = year * 12 + month < today.getFullYear() * 12 + today.getMonth() + 1;
      return past ? 'invalid_expiry_year_past' : null;
    },
    cvc: (text) => {
      const amex = /^3[47]/.test(digits(form.elements.number.value));
      return digits(text).length < (amex ? 4 : 3) ? 'incomplete_cvc' : null;
    },
  };

  const FORMATS = {
    number: (text) => digits(text).slice(0, 19).replace(/(\d{4})(?=\d)/g, '$1 '),
    expiry: (text) => {
      const typed = digits(text);
      const number = (/^[2-9]/.test(typed) ? `0${typed}` : typed).slice(0, 4);
      return number.length > 2 ? `${number.slice(0, 2)} / ${number.slice(2)}` : number;
    },
    cvc: (text) => digits(text).slice(0, 4),
  };

  const tell = (message) => window.parent.postMessage(message, '*'); // Never carries card data.
  const message = (code) => MESSAGES[code][korean ? 1 : 0];

  const show = (field, code) => {
    field.setAttribute('aria-invalid', String(Boolean(code)));
    document.getElementById(`Field-${field.name}Error`).textContent = code ? message(code) : '';
  };

  const check = (field) => CHECKS[field.name](field.value);

  const change = () => tell({
    type: 'change',
    complete: fields.every((field) => !check(field)),
    empty: fields.every((field) => field.value === ''),
  });

  for (const field of fields) {
    field.addEventListener('input', () => {
      field.value = FORMATS[field.name](field.value);
      show(field, null);
      change();
    });
    field.addEventListener('blur', () => {
      if (field.value !== '') show(field, check(field));
    });
  }
  form.addEventListener('submit', (event) => event.preventDefault());

  const validate = () => {
    const wrong = fields.filter((field) => {
      const code = check(field);
      show(field, code);
      return code;
    });
    if (wrong.length === 0) return null;
    wrong[0].focus();
    const code = check(wrong[0]);
    return { type: 'validation_error', code, message: message(code) };
  };

  const confirm = async ({ clientSecret, returnUrl }) => {
    const { month, year } = expiry();
    const body = new URLSearchParams({
      key: params.get('key'),
      client_secret: clientSecret,
      use_stripe_sdk: 'true',
      expected_payment_method_type: 'card',
      'payment_method_data[type]': 'card',
      'payment_method_data[card][number]': digits(form.elements.number.value),
      'payment_method_data[card][exp_month]': month,
      'payment_method_data[card][exp_year]': year,
      'payment_method_data[card][cvc]': form.elements.cvc.value,
    });
    if (returnUrl) body.set('return_url', returnUrl);
    const id = clientSecret.split('_secret_')[0];
    const response = await fetch(`/v1/payment_intents/${id}/confirm`, { method: 'POST', body });
    const answer = await response.json();
    return response.ok ? { paymentIntent: answer } : { error: answer.error };
  };

  // Stripe.js asks over a channel of its own and gets one reply.
  window.addEventListener('message', async (event) => {
    const [port] = event.ports;
    if (event.source !== window.parent || !port) return;
    if (event.data.type === 'focus') return fields[0].focus();
    const error = validate();
    if (error) return port.postMessage({ error });
    if (event.data.type === 'validate') return port.postMessage({});
    try {
      port.postMessage(await confirm(event.data));
    } catch {
      port.postMessage({ error: { type: 'api_connection_error', message: 'Network error' } });
    }
  });

  new ResizeObserver(() => tell({ type: 'height', height: document.documentElement.offsetHeight })).observe(document.body);
  tell({ type: 'ready' });
})();
