// Tells Stripe.js around this frame that the challenge is answered. How, it asks the API.
window.parent.postMessage({ type: 'challenge-answered' }, '*');
