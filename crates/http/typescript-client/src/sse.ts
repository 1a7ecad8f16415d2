/** One event of a stream, as the HTML standard's "event stream interpretation" has it. */
export interface ServerSentEvent {
  /** `undefined` where the stream has named none so far. */
  id: string | undefined;
  event: string;
  data: string;
}

/** Events out of text that arrives in pieces of any size. */
export class EventParser {
  /** How many milliseconds the server wants a client to wait before it reconnects. */
  retry: number | undefined;
  #rest = '';
  #id: string | undefined;
  #event = '';
  #data: string[] = [];

  /** The events that this piece completes. */
  push(text: string): ServerSentEvent[] {
    const events: ServerSentEvent[] = [];
    this.#rest += text;
    // A CR at the end may be half of a CRLF.
    let end: RegExpExecArray | null;
    while ((end = /\r\n|\n|\r(?!$)/.exec(this.#rest))) {
      const line = this.#rest.slice(0, end.index);
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (line !== '') {
        this.#field(line);
        continue;
      }
      if (this.#data.length > 0) {
        events.push({ id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') });
      }
      this.#event = '';
      this.#data = [];
    }
    return events;
  }

  #field(line: string): void {
    const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
  }
}
