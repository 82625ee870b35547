import { beforeAll, describe, expect, test } from 'vitest';
import type { ApiTarget, DeepPartial } from '../../proto/gen/latchkey/v1/key.ts';
import type { Api } from '../../proto/gen/latchkey/v1/keyspace_service.ts';
import { failureOf } from '../support/failure-of.ts';
import { verdictOf } from './support/judge.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

/** `orders GET /orders/1`; without a verb, gRPC: `orders /pkg.Service/Method`. */
function operation(text: string): { api: string; verb: string; path: string } {
  const match = /^(\S+) (?:([^ /]+) )?(\/[^]*|https?:[^]*)$/i.exec(text);
  if (match === null) throw new Error(`${text} is no operation`);
  const [, api = '', verb = '', path = ''] = match;
  return { api, verb, path };
}

/** Makes a key with the targets and asks it for every operation; returns those that pass. */
async function passing(
  apiTargets: readonly DeepPartial<ApiTarget>[],
  operations: readonly string[],
): Promise<readonly string[]> {
  const { root, issue } = served();
  const { token } = await issue({ restrictions: { apiTargets: [...apiTargets] } });
  const passed: string[] = [];
  for (const text of operations) {
    const verdict = await verdictOf(root, { token, operation: operation(text) });
    if (verdict === 'VALID') passed.push(text);
    else expect(verdict, text).toBe('OPERATION_NOT_ALLOWED');
  }
  return passed;
}

const OPERATIONS = [
  'orders GET /orders',
  'orders POST /orders',
  'orders GET /orders/1',
  'orders GET /orders/1/lines',
  'orders DELETE /orders/1',
  'orders GET /v1/orders/statuses',
  'orders GET /v2beta/orders/statuses',
  'orders /acme.Orders/Get',
  'orders /acme.Orders/Delete',
  'orders /acme.OrdersAdmin/Get',
  'stores GET /orders',
  'Orders GET /orders',
];

describe('a key with api targets', () => {
  test.each<[string, DeepPartial<ApiTarget>[], string[]]>([
    ['a whole API', [{ api: 'stores' }], ['stores GET /orders']],
    ['a verb', [{ api: 'orders', verbs: ['delete'] }], ['orders DELETE /orders/1']],
    ['a path', [{ api: 'orders', paths: ['/orders'] }], ['orders GET /orders', 'orders POST /orders']],
    ['a path and a verb', [{ api: 'orders', verbs: ['POST'], paths: ['/orders'] }], ['orders POST /orders']],
    [
      'a segment of any text',
      [{ api: 'orders', paths: ['/orders/*'] }],
      ['orders GET /orders/1', 'orders DELETE /orders/1'],
    ],
    [
      'all below a path',
      [{ api: 'orders', verbs: ['GET'], paths: ['/orders/**'] }],
      ['orders GET /orders', 'orders GET /orders/1', 'orders GET /orders/1/lines'],
    ],
    [
      'a segment in part',
      [{ api: 'orders', paths: ['/v*/orders/statuses'] }],
      ['orders GET /v1/orders/statuses', 'orders GET /v2beta/orders/statuses'],
    ],
    ['a gRPC method', [{ api: 'orders', paths: ['/acme.Orders/Get'] }], ['orders /acme.Orders/Get']],
    [
      'a gRPC service',
      [{ api: 'orders', paths: ['/acme.Orders/*'] }],
      ['orders /acme.Orders/Get', 'orders /acme.Orders/Delete'],
    ],
    [
      // A verb narrows all of its target, and gRPC has none.
      'a gRPC service with a verb',
      [{ api: 'orders', verbs: ['POST'], paths: ['/acme.Orders/*'] }],
      [],
    ],
    [
      'several',
      [
        { api: 'stores' },
        { api: 'orders', verbs: ['GET'], paths: ['/orders'] },
        { api: 'orders', verbs: ['DELETE'], paths: ['/**'] },
      ],
      ['orders GET /orders', 'orders DELETE /orders/1', 'stores GET /orders'],
    ],
  ])('of %s passes for these alone', async (_name, targets, expected) => {
    expect(await passing(targets, OPERATIONS)).toEqual(expected);
  });

  test('passes for no operation that is not named', async () => {
    const { root, issue } = served();
    const { token } = await issue({ restrictions: { apiTargets: [{ api: 'orders' }] } });
    expect(await verdictOf(root, { token })).toBe('OPERATION_NOT_ALLOWED');
    expect(await verdictOf(root, { token, operation: {} })).toBe('OPERATION_NOT_ALLOWED');
    expect(await verdictOf(root, { token, operation: { verb: 'GET', path: '/' } })).toBe(
      'OPERATION_NOT_ALLOWED',
    );
    expect(await verdictOf(root, { token, operation: { api: 'orders' } })).toBe('VALID');
  });

  test('and a key without any passes for all of them', async () => {
    const { root, issue } = served();
    const { token } = await issue();
    for (const text of OPERATIONS)
      expect(await verdictOf(root, { token, operation: operation(text) })).toBe('VALID');
    expect(await verdictOf(root, { token })).toBe('VALID');
  });

  test('passes for every spelling of a path that is the same path', async () => {
    const spellings = [
      'orders GET /orders/mine',
      'orders get /orders/mine',
      'orders GET /orders/mine/',
      'orders GET /orders//mine',
      'orders GET /orders/./mine',
      'orders GET /orders/x/../mine',
      'orders GET /orders/mine?x=/admin',
      'orders GET /%6frders/%6Dine',
      'orders GET https://api.example.com/orders/mine',
      'orders GET HTTPS://API.EXAMPLE.COM:8443/orders/mine?x',
    ];
    expect(await passing([{ api: 'orders', verbs: ['GET'], paths: ['/orders/mine'] }], spellings)).toEqual(
      spellings,
    );
  });

  test('is not passed by a spelling that servers read in different ways', async () => {
    const spellings = [
      'orders GET /public/../admin',
      'orders GET /public/%2e%2e/admin',
      'orders GET /public/%2E%2e%2fadmin',
      'orders GET /public/..%2fadmin',
      'orders GET /public/%252e%252e/admin',
      'orders GET /public/%252e%252e%252fadmin',
      'orders GET /public/..;/admin',
      'orders GET /public/..\\admin',
      'orders GET /public/%5c..%5cadmin',
      'orders GET /public//../admin',
      'orders GET /public/%c0%ae%c0%ae/admin',
      'orders GET /public/%u002e%u002e/admin',
      'orders GET /public/．．/admin',
      'orders GET /public/..%00/admin',
      'orders GET /public/.. /admin',
      'orders GET /public/.../admin',
      'orders GET /public/x#/../../admin',
      'orders GET /public/%23/../../admin',
      'orders GET /public/%3f/../../admin',
      'orders GET /../public/x',
      'orders GET //public/x',
      'orders GET https://a@api.example.com/public/x',
      'orders GET /PUBLIC/x',
      'orders GET /publicx',
      'orders GET /admin?/public/x',
      'orders GET /admin#/public/x',
    ];
    expect(await passing([{ api: 'orders', paths: ['/public/**'] }], spellings)).toEqual([]);
  });

  test('is not passed by another verb or API, however much it is like one of them', async () => {
    const others = ['GE', 'GETS', 'POST', 'G\u0415T', 'GET,POST', 'GET\u00a0'].map(
      (verb) => `orders ${verb} /orders`,
    );
    expect(await passing([{ api: 'orders', verbs: ['GET'], paths: ['/orders'] }], others)).toEqual([]);
    const { root, issue } = served();
    const { token } = await issue({ restrictions: { apiTargets: [{ api: 'orders' }] } });
    for (const api of ['Orders', 'orders ', ' orders', 'order', 'orders2', '*', '', 'orders\0']) {
      expect(await verdictOf(root, { token, operation: { api, verb: 'GET', path: '/' } })).toBe(
        'OPERATION_NOT_ALLOWED',
      );
    }
  });

  test('takes no longer for a hostile path than it takes to read it', async () => {
    const { root, issue } = served();
    const stars = Array.from({ length: 256 }, (_, index) => `/${'*a'.repeat(15)}${index}`);
    const { token } = await issue({ restrictions: { apiTargets: [{ api: 'orders', paths: stars }] } });
    const path = `/${'a'.repeat(8191)}`;
    // Once for memory. Matching by trial and error would take longer than the machine will last.
    await verdictOf(root, { token });
    const startMs = performance.now();
    expect(await verdictOf(root, { token, operation: { api: 'orders', verb: 'GET', path } })).toBe(
      'OPERATION_NOT_ALLOWED',
    );
    expect(performance.now() - startMs).toBeLessThan(5000);
  });

  test('that are set or taken away counts from the next verification on', async () => {
    const { root, issue } = served();
    const { id, token } = await issue();
    const get = { token, operation: operation('orders GET /orders') };
    const set = (restrictions: { apiTargets: DeepPartial<ApiTarget>[] } | undefined) =>
      root.keys.updateKey({ key: { id, restrictions }, updateMask: ['restrictions'] });
    expect(await verdictOf(root, get)).toBe('VALID');
    await set({ apiTargets: [{ api: 'orders', verbs: ['POST'] }] });
    expect(await verdictOf(root, get)).toBe('OPERATION_NOT_ALLOWED');
    await set({ apiTargets: [{ api: 'orders', verbs: ['POST', 'get', 'GET'] }] });
    expect(await verdictOf(root, get)).toBe('VALID');
    await set(undefined);
    expect(await verdictOf(root, { token })).toBe('VALID');
  });

  test('has its verbs in upper case, and each once', async () => {
    const { issue } = served();
    const { key } = await issue({
      restrictions: { apiTargets: [{ api: 'orders', verbs: ['get', 'GET', 'put'], paths: ['/a', '/a'] }] },
    });
    expect(key.restrictions?.apiTargets).toEqual([
      { api: 'orders', verbs: ['GET', 'PUT'], paths: ['/a'], groups: [] },
    ]);
  });
});

describe('a key that chose a block of the catalogue', () => {
  const catalogue = (methods: readonly { verb: string; path: string }[]): DeepPartial<Api>[] => [
    { name: 'orders', groups: [{ name: 'read', methods: [...methods] }, { name: 'write' }] },
    { name: 'stores', groups: [{ name: 'read', methods: [{ verb: '', path: '/acme.Stores/Get' }] }] },
  ];
  const list = { verb: 'get', path: '/orders' };
  const read = { verb: 'GET', path: '/orders/*' };

  let keyspaceId: string;
  const setCatalogue = (apis: DeepPartial<Api>[]) =>
    served().root.keyspaces.updateKeyspace({ keyspace: { id: keyspaceId, apis }, updateMask: ['apis'] });
  beforeAll(async () => {
    ({ id: keyspaceId } = await served().newKeyspace());
  });

  const issueFor = (apiTargets: DeepPartial<ApiTarget>[]) =>
    served().issue({ keyspaceId, restrictions: { apiTargets } });
  const ask = (token: string, text: string): Promise<string> =>
    verdictOf(served().root, { token, operation: operation(text) });

  test('passes for the methods in it', async () => {
    await setCatalogue(catalogue([list, read]));
    const { token } = await issueFor([{ api: 'orders', groups: ['read'] }]);
    expect(await ask(token, 'orders GET /orders')).toBe('VALID');
    expect(await ask(token, 'orders GET /orders/1')).toBe('VALID');
    for (const text of [
      'orders POST /orders',
      'orders /orders',
      'orders GET /orders/1/lines',
      'stores GET /orders',
      'orders /acme.Stores/Get',
      'stores /acme.Stores/Get',
    ]) {
      expect(await ask(token, text), text).toBe('OPERATION_NOT_ALLOWED');
    }
    const { token: stores } = await issueFor([{ api: 'stores', groups: ['read'] }]);
    expect(await ask(stores, 'stores /acme.Stores/Get')).toBe('VALID');
    expect(await ask(stores, 'orders GET /orders')).toBe('OPERATION_NOT_ALLOWED');
  });

  test('passes for its methods and for the paths that were chosen beside it, with the verbs of the target', async () => {
    await setCatalogue(catalogue([list, { verb: '', path: '/orders/search' }]));
    const { token } = await issueFor([
      { api: 'orders', verbs: ['GET'], groups: ['read'], paths: ['/extra'] },
    ]);
    expect(await ask(token, 'orders GET /orders')).toBe('VALID');
    expect(await ask(token, 'orders GET /extra')).toBe('VALID');
    expect(await ask(token, 'orders GET /orders/search')).toBe('VALID');
    expect(await ask(token, 'orders POST /orders/search')).toBe('OPERATION_NOT_ALLOWED');
  });

  test('is reached at once by what is added to the block, taken from it, and by the end of the block', async () => {
    const { root } = served();
    await setCatalogue(catalogue([list]));
    const { id, token } = await issueFor([{ api: 'orders', groups: ['read'] }]);
    const { token: policied } = await served().issue({
      keyspaceId,
      policyIds: [
        (
          await root.policies.createPolicy({
            policy: {
              keyspaceId,
              displayName: 'readers',
              restrictions: { apiTargets: [{ api: 'orders', groups: ['read'] }] },
            },
          })
        ).policy?.id ?? '',
      ],
    });
    const both = async (text: string): Promise<readonly string[]> => [
      await ask(token, text),
      await ask(policied, text),
    ];
    const refused = ['OPERATION_NOT_ALLOWED', 'OPERATION_NOT_ALLOWED'];
    const passes = ['VALID', 'VALID'];
    expect(await both('orders GET /orders/1')).toEqual(refused);

    const { effectiveTime } = await setCatalogue(catalogue([list, read]));
    expect(effectiveTime).toBeInstanceOf(Date);
    expect(await both('orders GET /orders/1')).toEqual(passes);
    expect(await both('orders GET /orders')).toEqual(passes);

    await setCatalogue(catalogue([read]));
    expect(await both('orders GET /orders')).toEqual(refused);
    expect(await both('orders GET /orders/1')).toEqual(passes);

    // A block that is gone has no methods; it is not the whole API.
    await setCatalogue([{ name: 'orders', groups: [{ name: 'write', methods: [read] }] }]);
    expect(await both('orders GET /orders/1')).toEqual(refused);
    await setCatalogue([]);
    expect(await both('orders GET /orders/1')).toEqual(refused);
    // What a key chose before may stay; it works again when the block comes back.
    await root.keys.updateKey({ key: { id, displayName: 'x' }, updateMask: ['display_name'] });
    await root.keys.updateKey({
      key: { id, restrictions: { apiTargets: [{ api: 'orders', groups: ['read'], verbs: ['GET'] }] } },
      updateMask: ['restrictions'],
    });
    await setCatalogue(catalogue([read]));
    expect(await both('orders GET /orders/1')).toEqual(passes);
  });

  test('must choose one that there is, in its own keyspace', async () => {
    const { root, newKeyspace } = served();
    await setCatalogue(catalogue([list]));
    const { id: elsewhere } = await newKeyspace();
    const wrong: [string, DeepPartial<ApiTarget>][] = [
      [keyspaceId, { api: 'orders', groups: ['read', 'admin'] }],
      [keyspaceId, { api: 'stores', groups: ['read', 'write'] }],
      [keyspaceId, { api: 'Orders', groups: ['read', 'read '] }],
      [elsewhere, { api: 'orders', groups: ['read'] }],
    ];
    for (const [space, target] of wrong) {
      const failure = await failureOf((options) =>
        root.keys.createKey(
          { key: { keyspaceId: space, restrictions: { apiTargets: [{ api: 'x' }, target] } } },
          options,
        ),
      );
      expect(failure).toMatchObject({ code: 3, reason: 'INVALID_FIELD' });
      for (const field of failure.fields)
        expect(field).toMatch(/^key\.restrictions\.api_targets\[1\]\.groups\[[01]\]$/);
    }
  });
});
