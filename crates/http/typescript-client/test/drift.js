import { complaints } from './typescript.js';

/** For Stripe and for programs that read the description: no client calls these. */
const NOT_FOR_CLIENTS = ['POST /payments/callback', 'GET /openapi.json'];

/** The operations that a client may call, by `METHOD /path` below `/v1`. */
export function operations(api) {
  const all = Object.entries(api.paths)
    .filter(([path]) => path.startsWith('/v1/'))
    .flatMap(([path, item]) =>
      ['get', 'post', 'put', 'delete']
        .filter((method) => item[method])
        .map((method) => [`${method.toUpperCase()} ${path.slice('/v1'.length)}`, item[method]]),
    );
  return new Map(all.filter(([route]) => !NOT_FOR_CLIENTS.includes(route)));
}

/**
 * Claims about `src/types.ts` that are true if it says what the OpenAPI document says: one TypeScript type each, which
 * is `true`, with words for when it is not.
 */
export function* claims(api) {
  const resolve = (schema) =>
    schema?.$ref
      ? resolve(
          schema.$ref
            .split('/')
            .slice(1)
            .reduce((at, key) => at[key], api),
        )
      : schema;
  const union = (texts) => texts.map((text) => JSON.stringify(text)).join(' | ') || 'never';
  const names = { integer: 'number', number: 'number', string: 'string', boolean: 'boolean' };

  function* describe(type, where, schema, { mindNull = true } = {}) {
    schema = resolve(schema);
    if (!schema) {
      yield ['false', `${where}: the document refers to a schema that it lacks`];
      return;
    }
    const choices = (schema.oneOf ?? schema.anyOf ?? [schema]).map(resolve);
    const types = choices.flatMap((choice) => choice.type ?? []);
    if (types.length === 0) return;
    if (mindNull)
      yield [
        `Same<null extends ${type} ? true : false, ${types.includes('null')}>`,
        `${where}: whether it may be null`,
      ];
    const some = choices.find((choice) => choice.type !== 'null');
    const value = `NonNullable<${type}>`;
    if (some.enum) {
      yield [`Same<${value}, ${union(some.enum.filter((one) => one !== null))}>`, `${where}: which texts there are`];
    } else if (some.items) {
      yield [`Fits<${value}, readonly unknown[]>`, `${where}: a list`];
      yield* describe(`${value}[number]`, `${where}[]`, some.items);
    } else if (some.properties) {
      const { properties, required = [] } = some;
      const optional = Object.keys(properties).filter((name) => !required.includes(name));
      yield [`Same<keyof ${value}, ${union(Object.keys(properties))}>`, `${where}: has ${Object.keys(properties)}`];
      yield [`Same<OptionalKeys<${value}>, ${union(optional)}>`, `${where}: may lack ${optional.join() || 'nothing'}`];
      for (const [name, property] of Object.entries(properties)) {
        yield* describe(`${value}['${name}']`, `${where}.${name}`, property);
      }
    } else if (some.additionalProperties) {
      yield* describe(`${value}[string]`, `${where}.*`, some.additionalProperties);
    } else {
      const wanted = types
        .filter((name) => names[name])
        .map((name) => names[name])
        .join(' | ');
      // The types may say more than "text", never something else.
      if (wanted) yield [`Fits<${value}, ${wanted}>`, `${where}: ${wanted}`];
    }
  }

  for (const [route, operation] of operations(api)) {
    const type = `Routes['${route}']`;
    const has = (property, yes) => [
      `Same<${type} extends { ${property} } ? true : false, ${yes}>`,
      `${route}: ${property}`,
    ];
    const parameters = (operation.parameters ?? []).map(resolve);

    const query = parameters.filter((parameter) => parameter.in === 'query');
    yield has('query: unknown', query.length > 0);
    if (query.length > 0) {
      yield [
        `Same<keyof ${type}['query'], ${union(query.map((parameter) => parameter.name))}>`,
        `${route} query: has ${query.map((parameter) => parameter.name)}`,
      ];
      for (const { name, schema } of query) {
        yield* describe(`${type}['query']['${name}']`, `${route} query ${name}`, schema, { mindNull: false });
      }
    }
    yield has(
      'idempotent: true',
      parameters.some(({ name }) => name === 'Idempotency-Key'),
    );

    const body = resolve(operation.requestBody)?.content;
    yield has('body: unknown', Boolean(body));
    if (body?.['multipart/form-data']) yield has('body: FormData', true);
    else if (body) yield* describe(`${type}['body']`, `${route} body`, body['application/json'].schema);

    for (const status of ['200', '201']) {
      const schema = resolve(operation.responses[status])?.content?.['application/json']?.schema;
      if (schema) yield* describe(`${type}['data']`, `${route} ${status}`, resolve(schema).properties.data);
    }
  }
  yield* describe('Failure', 'every failure', api.components.schemas.Failure);
}

/** The claims that the TypeScript compiler does not find true. */
export async function differences(api) {
  const head = [
    "import type { Failure, Routes } from '@spicyjump/client';",
    'type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;',
    'type Fits<A, B> = [A] extends [B] ? true : false;',
    'type OptionalKeys<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? K : never }[keyof T];',
    'type True<T extends true> = T;',
  ];
  const all = [...claims(api)];
  const lines = all.map(([type], place) => `export type C${place} = True<${type}>;`);
  const wrong = (await complaints({ 'claims.ts': [...head, ...lines].join('\n') })).map(({ line, text }) => {
    const claim = all[line - 1 - head.length];
    if (!claim) throw new Error(text);
    return claim[1];
  });
  return { claimed: all.length, wrong: [...new Set(wrong)] };
}
