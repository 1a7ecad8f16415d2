import { createServer } from 'node:http';
import { SpicyJump } from '../dist/index.js';

/** A success as the API writes it. */
export const ok =
  (data, status = 200) =>
  (_, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json; charset=UTF-8' });
    response.end(JSON.stringify({ success: true, data }));
  };

/** A failure as the API writes it. */
export const refuse =
  (status, error, { headers, ...more } = {}) =>
  (_, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'X-Request-ID': 'r-1', ...headers });
    response.end(JSON.stringify({ success: false, message: `No: ${error}`, error, request_id: 'r-1', ...more }));
  };

/** Something between client and API answers itself. */
export const gateway = (status) => (_, response) => response.writeHead(status).end('<h1>Bad luck</h1>');

/** The line breaks before there is an answer. */
export const hangUp = (request) => request.socket.destroy();

/** No answer ever comes. */
export const silence = () => {};

/**
 * Serves each request with the next of the steps (the last one again and again, a function of the request may choose),
 * and notes what was asked. Ends with the test.
 */
export async function fakeServer(test, ...steps) {
  const seen = [];
  const server = createServer(async (request, response) => {
    const { method, url, headers } = request;
    const place = seen.push({ method, url, headers }) - 1;
    let body = '';
    for await (const piece of request) body += piece;
    seen[place].body = body;
    steps[Math.min(place, steps.length - 1)](request, response, body);
  });
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${server.address().port}`;
  const shop = (options) => new SpicyJump({ baseUrl, retryDelay: 2, ...options });
  return { baseUrl, seen, shop };
}
