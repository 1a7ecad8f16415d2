// English is in the page; Korean beside it, in data-ko.
(() => {
  'use strict';
  const locale = new URLSearchParams(location.search).get('locale') || navigator.language;
  // The page of a challenge is named by its address, and so are its answers.
  for (const button of document.querySelectorAll('[data-answer]')) {
    button.formAction = `${location.pathname}/${button.dataset.answer}`;
  }
  if (!locale.toLowerCase().startsWith('ko')) return;
  document.documentElement.lang = 'ko';
  for (const element of document.querySelectorAll('[data-ko]')) element.textContent = element.dataset.ko;
})();
