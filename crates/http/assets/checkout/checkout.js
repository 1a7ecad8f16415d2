// Takes the payment with Stripe's Payment Element, then waits until the shop itself says that the order is paid.
(() => {
  "use strict";
  const root = document.getElementById("checkout");
  const form = document.getElementById("payment-form");
  const button = document.getElementById("pay");
  const message = document.getElementById("message");
  const data = root.dataset;
  const korean = data.locale === "ko";
  const text = {
    ready: "",
    waiting: korean ? "결제를 확인하고 있습니다…" : "Confirming your payment…",
    paid: korean ? "결제가 완료되었습니다. 감사합니다!" : "Payment complete. Thank you!",
    processing: korean ? "은행에서 결제를 처리하고 있습니다. 이 창을 닫으셔도 됩니다." : "Your bank is processing the payment. You may close this page.",
    over: korean ? "이 주문은 더 이상 결제할 수 없습니다." : "This order can no longer be paid.",
    refunded: korean ? "이 주문의 결제는 환불됩니다." : "The payment of this order goes back to you.",
    failed: korean ? "결제에 실패했습니다. 다시 시도해 주세요." : "The payment failed. Please try again.",
    unreachable: korean ? "결제 서비스를 불러올 수 없습니다. 잠시 후 다시 시도해 주세요." : "The payment service cannot be loaded. Please try again in a moment.",
  };

  const say = (words, kind = "") => {
    message.textContent = words;
    message.className = kind;
  };
  const busy = (on) => {
    button.disabled = on;
    button.querySelector("[data-idle]").hidden = on;
    button.querySelector("[data-busy]").hidden = !on;
  };
  const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  async function status() {
    const answer = await fetch(data.statusUrl, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    return (await answer.json()).data;
  }

  // Shows how the order stands if nothing is left to do here; true then.
  function settled(now) {
    if (["paid", "shipped", "delivered"].includes(now.order_status)) {
      form.hidden = true;
      say(text.paid, "good");
      root.dataset.outcome = "paid";
    } else if (now.order_status !== "pending" || ["canceled", "mismatch"].includes(now.status)) {
      form.hidden = true;
      say(now.status === "succeeded" ? text.refunded : text.over, "error");
      root.dataset.outcome = "over";
    } else if (now.status === "processing") {
      form.hidden = true;
      say(text.processing);
    } else {
      return false;
    }
    return true;
  }

  // Asks the shop, not the browser, until the order is settled; gives up after so many milliseconds without news, or
  // where a bank that took its time has refused.
  async function wait(patience) {
    const until = Date.now() + patience;
    let atTheBank = false;
    while (atTheBank || Date.now() < until) {
      try {
        const now = await status();
        if (settled(now)) {
          atTheBank = now.status === "processing";
          if (!atTheBank) return true;
        } else if (atTheBank) {
          return false;
        }
      } catch (_) { /* The next try may get through. */ }
      await pause(atTheBank ? 2000 : 1000);
    }
    return false;
  }

  function load(url) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = url;
      script.onload = resolve;
      script.onerror = () => reject(new Error("script"));
      document.head.append(script);
    });
  }

  async function mount(clientSecret, hasFailed) {
    await load(data.scriptUrl);
    const stripe = window.Stripe(data.publishableKey, { locale: data.locale });
    const elements = stripe.elements({ clientSecret, appearance: { theme: "stripe" } });
    const element = elements.create("payment");
    element.on("ready", () => (hasFailed ? say(text.failed, "error") : say(text.ready)));
    element.mount("#payment-element");
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      busy(true);
      say(text.waiting);
      const { error } = await stripe.confirmPayment({
        elements,
        redirect: "if_required",
        confirmParams: { return_url: data.returnUrl },
      });
      if (error) {
        say(error.message || text.failed, "error");
        busy(false);
        return;
      }
      if (!(await wait(60000))) {
        if (form.hidden) say(text.failed, "error");
        else say(text.processing);
        form.hidden = false;
        busy(false);
      }
    });
  }

  async function start() {
    let now = await status();
    for (let tries = 0; !now.client_secret && tries < 30 && now.order_status === "pending"; tries += 1) {
      await pause(1000);
      now = await status();
    }
    const returned = new URLSearchParams(location.search).has("redirect_status");
    const atTheBank = now.status === "processing";
    if (settled(now) && !atTheBank) return;
    if (returned && !atTheBank) say(text.waiting);
    if ((returned || atTheBank) && (await wait(5000))) return;
    await mount(now.client_secret, returned || atTheBank);
  }

  start().catch(() => say(text.unreachable, "error"));
})();
