import { beforeAll, describe, expect, test } from 'vitest';
import { BadRequest, ErrorInfo } from '../../proto/gen/google/rpc/error_details.ts';
import type { Status } from '../../proto/gen/google/rpc/status.ts';
import { BatchVerifyResponse } from '../../proto/gen/latchkey/v1/verify_service.ts';
import { KEY_TABLES } from './support/bad-input/key-rows.ts';
import { KEYSPACE_TABLES } from './support/bad-input/keyspace-rows.ts';
import { LIMIT_TABLES } from './support/bad-input/limit-rows.ts';
import { OWNER_TABLES } from './support/bad-input/owner-rows.ts';
import { POLICY_TABLES } from './support/bad-input/policy-rows.ts';
import { REPLICA_TABLES } from './support/bad-input/replica-rows.ts';
import type { Row, Subjects, Table } from './support/bad-input/row.ts';
import { VERIFY_TABLES } from './support/bad-input/verify-rows.ts';
import { encodeRequest, leafPaths, rpcOf, RPCS, withField, type Fields } from './support/contract.ts';
import type { RawConnection } from './support/raw-connection.ts';
import { present, serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

// Keyspaces come last: what they are given changes the catalogue that the others choose blocks from.
const TABLES = [
  ...VERIFY_TABLES,
  ...KEY_TABLES,
  ...POLICY_TABLES,
  ...OWNER_TABLES,
  ...LIMIT_TABLES,
  ...REPLICA_TABLES,
  ...KEYSPACE_TABLES,
];

const INVALID_ARGUMENT = 3;

let wire: RawConnection;
let subjects: Subjects;

beforeAll(async () => {
  const { raw, root, issue, newKeyspace } = served();
  wire = raw();
  const { id: keyspaceId } = await newKeyspace({
    apis: [{ name: 'orders', groups: [{ name: 'read', methods: [{ verb: 'GET', path: '/orders' }] }] }],
  });
  const { policy } = await root.policies.createPolicy({
    policy: { keyspaceId, displayName: 'of the tests' },
  });
  const ownerId = 'of the tests';
  await root.owners.createOwner({ owner: { keyspaceId, id: ownerId } });
  const limitedOwnerId = 'with limits';
  await root.owners.createOwner({
    owner: {
      keyspaceId,
      id: limitedOwnerId,
      limits: [
        { name: 'calls', kind: { $case: 'rate', value: { limit: 1n, window: { seconds: 60n } } } },
        { name: 'credits', kind: { $case: 'credits', value: { initial: 1n } } },
      ],
    },
  });
  const { id: keyId, token } = await issue({ keyspaceId });
  subjects = { keyId, token, keyspaceId, policyId: present(policy).id, ownerId, limitedOwnerId };
});

/** What a status says. */
function read(status: Status | undefined): {
  readonly code: number | undefined;
  readonly reason: string;
  readonly domain: string;
  readonly fields: readonly string[];
} {
  const find = (name: string): Buffer =>
    status?.details.find(({ typeUrl }) => typeUrl.endsWith(`/google.rpc.${name}`))?.value ?? Buffer.alloc(0);
  const { reason, domain } = ErrorInfo.decode(find('ErrorInfo'));
  const { fieldViolations } = BadRequest.decode(find('BadRequest'));
  return { code: status?.code, reason, domain, fields: fieldViolations.map(({ field }) => field).toSorted() };
}

/** The position of the newest change. */
async function head(): Promise<string> {
  return (await served().root.verify.verify({ token: 'x' })).revision;
}

function requestOf(table: Table, row: Row): Fields {
  const { input } = rpcOf(table.rpc);
  return Object.entries(row.set).reduce(
    (fields, [path, value]) => withField(input, fields, path, value),
    table.good(subjects),
  );
}

/** The rows of a table that are refused or that pass, by the field that they are about. */
function byField(table: Table, refused: boolean): readonly [field: string, rows: readonly Row[]][] {
  const rows = table.rows.filter((row) => row.refused.length > 0 === refused);
  const fieldOf = (row: Row): string => row.what.split(':')[0] ?? '';
  return [...new Set(rows.map(fieldOf))].map((field) => [
    field,
    rows.filter((row) => fieldOf(row) === field),
  ]);
}

/** What a row must be answered with. */
const refusalOf = ({ refused }: Row): ReturnType<typeof read> => ({
  code: INVALID_ARGUMENT,
  reason: 'INVALID_FIELD',
  domain: 'latchkey',
  fields: refused.toSorted(),
});

describe('the tables below', () => {
  test('know every RPC of the contract', () => {
    const known = [...TABLES.map(({ rpc }) => rpc), 'VerifyService/BatchVerify'];
    expect(known.toSorted()).toEqual(RPCS.map(({ name }) => name).toSorted());
  });

  test.each(TABLES)('know every field of $rpc', (table) => {
    const covered = [...table.rows.flatMap(({ set }) => Object.keys(set)), ...table.free];
    const missing = leafPaths(rpcOf(table.rpc).input).filter(
      (path) => !covered.some((known) => path === known || path.startsWith(`${known}.`)),
    );
    expect(missing).toEqual([]);
  });
});

describe.each(TABLES.filter((table) => byField(table, true).length > 0))('$rpc refuses a bad', (table) => {
  test.each(byField(table, true))('%s', async (_field, rows) => {
    const rpc = rpcOf(table.rpc);
    const before = await head();
    const answers: [string, object][] = [];
    for (const row of rows) {
      const answer = await wire.call({ path: rpc.path, message: encodeRequest(rpc, requestOf(table, row)) });
      answers.push([row.what, answer.status === undefined ? { code: answer.code } : read(answer.status)]);
      // Told twice on the wire: in the headers that every client reads, and whole in the trailer.
      if (answer.status !== undefined) {
        expect([answer.code, answer.message], row.what).toEqual([answer.status.code, answer.status.message]);
      }
    }
    expect(answers).toEqual(rows.map((row) => [row.what, refusalOf(row)]));
    expect(await head()).toBe(before);
  });
});

describe.each(TABLES.filter((table) => byField(table, false).length > 0))('$rpc takes a good', (table) => {
  test.each(byField(table, false))('%s', async (_field, rows) => {
    const rpc = rpcOf(table.rpc);
    for (const row of rows) {
      const answer = await wire.call({ path: rpc.path, message: encodeRequest(rpc, requestOf(table, row)) });
      expect(row.codes, `${row.what}: ${answer.message}`).toContain(answer.code);
    }
  });
});

describe('BatchVerify answers in the place of an entry with a bad', () => {
  const [table] = VERIFY_TABLES;
  test.each(table === undefined ? [] : byField(table, true))('%s', async (_field, rows) => {
    if (table === undefined) throw new Error('there is no table');
    const rpc = rpcOf('VerifyService/BatchVerify');
    const good = table.good(subjects);
    const requests = rows.flatMap((row) => [good, requestOf(table, row), good]);
    const answer = await wire.call({ path: rpc.path, message: encodeRequest(rpc, { requests }) });
    expect(answer.code).toBe(0);
    const { responses } = BatchVerifyResponse.decode(answer.messages[0] ?? Buffer.alloc(0));
    const said = responses.map(({ result }) =>
      result?.$case === 'status' ? read(result.value) : result?.$case,
    );
    expect(said).toEqual(rows.flatMap((row) => ['response', refusalOf(row), 'response']));
  });
});

describe('a request with very many faults', () => {
  test('is told of twenty, in an answer that every client can take', async () => {
    const rpc = rpcOf('KeyService/CreateKey');
    const tags = Array.from({ length: 32 }, (_, index) => `${index}\n`);
    const scopes = Array.from({ length: 256 }, (_, index) => `${index} `);
    const message = encodeRequest(rpc, { key: { keyspaceId: subjects.keyspaceId, tags, scopes } });
    const answer = await wire.call({ path: rpc.path, message });
    expect(answer.code).toBe(INVALID_ARGUMENT);
    expect(read(answer.status).fields).toHaveLength(20);
    const bytes = Object.entries(answer.headers).flat().join('').length;
    expect(bytes).toBeLessThan(8192);
  });
});

describe('after all of that', () => {
  test('the key that it was about is as the last good request left it, and there is no other', async () => {
    const { root } = served();
    const { keys } = await root.keys.listKeys({
      filter: { keyspaceId: subjects.keyspaceId, showDeleted: true },
      orderBy: 'create_time',
      pageSize: 1000,
    });
    expect(keys.map(({ id }) => id)).toContain(subjects.keyId);
    for (const key of keys) {
      expect(JSON.stringify([key.displayName, key.ownerId, key.tags, key.scopes])).not.toMatch(/\\u00|\\n/);
    }
  });
});
