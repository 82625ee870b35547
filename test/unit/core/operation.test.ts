import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileCatalogue, compileOperations, type Operation } from '../../../core/patterns/operation.ts';
import type { Api, ApiTarget } from '../../../core/rules.ts';

/** Whether targets allow an operation. */
function allows(targets: readonly Partial<ApiTarget>[], apis: readonly Api[], operation: Operation): boolean {
  const whole = targets.map((target) => ({ api: 'shop', verbs: [], paths: [], groups: [], ...target }));
  return compileOperations(whole, compileCatalogue(apis))(operation);
}

const op = (text: string): Operation => {
  const [api = '', verb = '', path = ''] = text.split(' ');
  return { api, verb, path };
};

const CATALOGUE: readonly Api[] = [
  {
    name: 'shop',
    groups: [
      {
        name: 'orders',
        methods: [
          { verb: 'GET', path: '/orders/*', noResource: false },
          { verb: 'POST', path: '/orders', noResource: false },
        ],
      },
      {
        name: 'account',
        methods: [
          { verb: '', path: '/ping', noResource: true },
          { verb: 'GET', path: '/me', noResource: true },
        ],
      },
      { name: 'empty', methods: [] },
    ],
  },
  { name: 'pay', groups: [{ name: 'orders', methods: [{ verb: '', path: '/pay', noResource: false }] }] },
  {
    name: 'acme.Shop',
    groups: [{ name: 'read', methods: [{ verb: '', path: '/acme.Shop/Get*', noResource: true }] }],
  },
];

describe('a target', () => {
  test.each<[string, Partial<ApiTarget>, string[], string[]]>([
    [
      'of an API alone is all of it, and nothing of another',
      {},
      ['shop GET /', 'shop  /x', 'shop DELETE /a/b', 'shop GET '],
      ['pay GET /', 'Shop GET /', ' GET /', 'shop/ GET /'],
    ],
    [
      'with verbs is those alone, in whatever case the client writes them',
      { verbs: ['GET', 'HEAD'] },
      ['shop GET /x', 'shop get /x', 'shop Head /x'],
      ['shop POST /x', 'shop  /x', 'shop GETS /x', 'pay GET /x'],
    ],
    [
      'with paths is those alone',
      { paths: ['/a', '/b/*'] },
      ['shop GET /a', 'shop PUT /b/c', 'shop  /a', 'shop GET /a?x=1'],
      ['shop GET /', 'shop GET /A', 'shop GET /b/c/d', 'pay GET /a', 'shop GET '],
    ],
    [
      'with verbs and paths is both at once',
      { verbs: ['GET'], paths: ['/a'] },
      ['shop GET /a'],
      ['shop POST /a', 'shop GET /b'],
    ],
    [
      'with a block is its methods, each by its own verb',
      { groups: ['orders'] },
      ['shop GET /orders/1', 'shop POST /orders'],
      ['shop POST /orders/1', 'shop GET /orders', 'shop GET /pay', 'pay GET /pay', 'shop GET /ping'],
    ],
    [
      'with verbs and a block is both at once',
      { verbs: ['GET'], groups: ['orders', 'account'] },
      ['shop GET /orders/1', 'shop GET /ping'],
      ['shop POST /orders', 'shop PUT /ping'],
    ],
    [
      'with paths and a block is either',
      { paths: ['/x'], groups: ['account'] },
      ['shop PUT /x', 'shop GET /me', 'shop  /ping'],
      ['shop POST /me', 'shop GET /orders/1'],
    ],
    [
      'of gRPC has methods for paths and no verb',
      { api: 'acme.Shop', paths: ['/acme.Shop/Put'], groups: ['read'] },
      ['acme.Shop  /acme.Shop/GetOrder', 'acme.Shop  /acme.Shop/Put'],
      ['acme.Shop  /acme.Shop/Delete', 'acme.Shop  /acme.Shop/put', 'shop  /acme.Shop/Put'],
    ],
    [
      'with a verb is for no call of gRPC, which has none',
      { api: 'acme.Shop', verbs: ['POST'] },
      ['acme.Shop POST /x'],
      ['acme.Shop  /acme.Shop/Put'],
    ],
  ])('%s', (_what, target, inside, outside) => {
    for (const text of inside) expect([text, allows([target], CATALOGUE, op(text))]).toEqual([text, true]);
    for (const text of outside) expect([text, allows([target], CATALOGUE, op(text))]).toEqual([text, false]);
  });

  test.each<[string, Partial<ApiTarget>]>([
    ['a block that is not there any more', { groups: ['removed'] }],
    ['a block without methods', { groups: ['empty'] }],
    ['a block of another API', { api: 'pay', groups: ['account'] }],
    ['a block of an API that is not there any more', { api: 'gone', groups: ['orders'] }],
    ['a block with a name that every object has', { groups: ['__proto__'] }],
  ])('of %s matches nothing; above all not the whole API', (_what, target) => {
    for (const api of ['shop', 'pay', 'gone']) {
      for (const verb of ['', 'GET', 'POST']) {
        for (const path of ['', '/', '/orders', '/orders/1', '/ping', '/me', '/pay']) {
          expect(allows([target], CATALOGUE, { api, verb, path })).toBe(false);
        }
      }
    }
    // A path beside it still counts.
    expect(allows([{ paths: ['/x'], ...target }], CATALOGUE, op(`${target.api ?? 'shop'} GET /x`))).toBe(
      true,
    );
  });

  test('of an API and a block is not mixed up with one whose names run together', () => {
    const apis = [
      { name: 'a b', groups: [{ name: 'c', methods: [{ verb: '', path: '/x', noResource: false }] }] },
    ];
    expect(allows([{ api: 'a b', groups: ['c'] }], apis, { api: 'a b', verb: '', path: '/x' })).toBe(true);
    expect(allows([{ api: 'a', groups: ['b c'] }], apis, { api: 'a', verb: '', path: '/x' })).toBe(false);
  });

  test.each(['/../a', '//a', '/a;b', '/a%2fb', 'a', '', '/a\0', '/a\\b'])(
    'with a path or a block never matches a path without a normal form: %j',
    (path) => {
      for (const target of [{ paths: ['/**'] }, { paths: ['/a', '/b'] }, { groups: ['orders', 'account'] }]) {
        expect(allows([target], CATALOGUE, { api: 'shop', verb: 'GET', path })).toBe(false);
      }
    },
  );

  test('is one of several: any of them suffices', () => {
    const targets = [{ paths: ['/a'] }, { api: 'pay', verbs: ['GET'] }];
    expect(['shop PUT /a', 'pay GET /x'].map((text) => allows(targets, [], op(text)))).toEqual([true, true]);
    expect(['shop GET /x', 'pay PUT /a'].map((text) => allows(targets, [], op(text)))).toEqual([
      false,
      false,
    ]);
  });
});

test('a key with no target left is for no operation', () => {
  expect(allows([], CATALOGUE, op('shop GET /ping'))).toBe(false);
});

test('a catalogue says which operations are about no resource, by API, verb and path', () => {
  const { isResourceless } = compileCatalogue(CATALOGUE);
  const about = ['shop GET /ping', 'shop put /ping', 'shop GET /me', 'acme.Shop  /acme.Shop/GetAll'];
  const others = ['shop POST /me', 'pay GET /ping', 'shop GET /orders/1', 'shop GET /ping/x', 'shop GET '];
  expect(about.map((text) => isResourceless(op(text)))).toEqual(about.map(() => true));
  expect(others.map((text) => isResourceless(op(text)))).toEqual(others.map(() => false));
  expect(compileCatalogue([]).isResourceless(op('shop GET /ping'))).toBe(false);
});

/** Patterns of the random cases: segments are literal, `*` is one of them, `**` at the end any number. */
function slowPath(pattern: string, path: string): boolean {
  const wanted = pattern.slice(1).split('/');
  const given = path.slice(1).split('/');
  for (let index = 0; index < wanted.length; index += 1) {
    if (wanted[index] === '**') return true;
    if (index >= given.length) return false;
    if (wanted[index] !== '*' && wanted[index] !== given[index]) return false;
  }
  return wanted.length === given.length;
}

/** The rule of the contract as it is written there. */
function slowAllows(targets: readonly ApiTarget[], apis: readonly Api[], operation: Operation): boolean {
  for (const target of targets) {
    if (target.api !== operation.api) continue;
    if (target.verbs.length > 0 && !target.verbs.includes(operation.verb.toUpperCase())) continue;
    if (target.paths.length === 0 && target.groups.length === 0) return true;
    for (const path of target.paths) if (slowPath(path, operation.path)) return true;
    for (const name of target.groups) {
      for (const api of apis) {
        if (api.name !== target.api) continue;
        for (const group of api.groups) {
          if (group.name !== name) continue;
          for (const { verb, path } of group.methods) {
            const hasVerb = verb === '' || verb === operation.verb.toUpperCase();
            if (hasVerb && slowPath(path, operation.path)) return true;
          }
        }
      }
    }
  }
  return false;
}

function slowResourceless(apis: readonly Api[], operation: Operation): boolean {
  return apis.some(
    ({ name, groups }) =>
      name === operation.api &&
      groups.some(({ methods }) =>
        methods.some(
          ({ verb, path, noResource }) =>
            noResource &&
            (verb === '' || verb === operation.verb.toUpperCase()) &&
            slowPath(path, operation.path),
        ),
      ),
  );
}

const apiName = fc.constantFrom('a', 'b', 'c');
const groupName = fc.constantFrom('g', 'h', 'gone');
const pattern = fc.constantFrom('/x', '/y', '/x/y', '/x/*', '/*/y', '/*', '/y/**');
const verb = fc.constantFrom('GET', 'PUT');
const catalogue: fc.Arbitrary<Api[]> = fc.uniqueArray(
  fc.record({
    name: apiName,
    groups: fc.uniqueArray(
      fc.record({
        name: fc.constantFrom('g', 'h'),
        methods: fc.array(
          fc.record({
            verb: fc.oneof(verb, fc.constant('')),
            path: pattern,
            noResource: fc.boolean(),
          }),
          { minLength: 1, maxLength: 3 },
        ),
      }),
      { minLength: 1, maxLength: 2, selector: ({ name }) => name },
    ),
  }),
  { minLength: 1, maxLength: 3, selector: ({ name }) => name },
);
const target: fc.Arbitrary<ApiTarget> = fc.record({
  api: apiName,
  verbs: fc.subarray(['GET', 'PUT']),
  paths: fc.array(pattern, { maxLength: 2 }),
  groups: fc.uniqueArray(groupName, { maxLength: 2 }),
});
const operation: fc.Arbitrary<Operation> = fc.record({
  api: apiName,
  verb: fc.constantFrom('GET', 'get', 'PUT', 'DELETE', ''),
  path: fc.constantFrom('/x', '/y', '/z', '/x/y', '/x/z', '/y/z', '/y/z/x', '/x/y/z'),
});

test('agrees with the slow matcher in 100,000 random cases', { timeout: 60_000 }, () => {
  let cases = 0;
  let allowed = 0;
  let resourceless = 0;
  fc.assert(
    fc.property(
      catalogue,
      fc.array(target, { maxLength: 3 }),
      fc.array(operation, { minLength: 20, maxLength: 20 }),
      (apis, targets, operations) => {
        const compiled = compileCatalogue(apis);
        const matches = compileOperations(targets, compiled);
        const wrong: unknown[] = [];
        for (const one of operations) {
          const expected = slowAllows(targets, apis, one);
          const isResourceless = slowResourceless(apis, one);
          if (matches(one) !== expected) wrong.push({ ...one, expected });
          if (compiled.isResourceless(one) !== isResourceless) wrong.push({ ...one, isResourceless });
          cases += 1;
          if (expected) allowed += 1;
          if (isResourceless) resourceless += 1;
        }
        expect(wrong).toEqual([]);
      },
    ),
    { numRuns: 5000 },
  );
  expect(cases).toBeGreaterThanOrEqual(100_000);
  // Else the test would prove little.
  expect(Math.min(allowed, cases - allowed)).toBeGreaterThan(5000);
  expect(resourceless).toBeGreaterThan(5000);
});
