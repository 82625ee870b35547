import { describe, expect, test } from 'vitest';
import { newId } from '../../core/ids.ts';
import { newToken } from '../../core/token.ts';
import { ConfigError, describeSettings, readConfig, SETTINGS } from '../../server/config.ts';

/** The faults of an environment. */
function faultsOf(environment: Readonly<Record<string, string>>): readonly string[] {
  try {
    readConfig(environment);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

const token = newToken('latchkey', newId('key'));
const DATABASE_URL = 'postgres://latchkey:correct-horse@db.internal:5432/latchkey';

describe('an empty environment', () => {
  test('is a configuration that works: loopback, embedded database, documented defaults', () => {
    expect(readConfig({})).toMatchObject({
      LATCHKEY_LISTEN: { host: '127.0.0.1', port: 50051 },
      LATCHKEY_HTTP_LISTEN: { host: '127.0.0.1', port: 9464 },
      LATCHKEY_DATA_DIR: '.latchkey',
      DATABASE_URL: undefined,
      LATCHKEY_ROOT_TOKEN: undefined,
      LATCHKEY_MIGRATE: true,
      LATCHKEY_REFLECTION: true,
      LATCHKEY_LOG_LEVEL: 'info',
      LATCHKEY_TLS_CERT_FILE: undefined,
      LATCHKEY_MAX_STALENESS_MS: 2000,
      LATCHKEY_POLL_MS: 200,
    });
  });

  test('has a value for every setting that has a default', () => {
    const config: Readonly<Record<string, unknown>> = readConfig({});
    for (const [name, { fallback }] of Object.entries(SETTINGS)) {
      expect({ name, isSet: config[name] !== undefined }).toEqual({ name, isSet: fallback !== undefined });
    }
  });

  test('cannot be changed afterwards', () => {
    expect(Object.isFrozen(readConfig({}))).toBe(true);
  });

  test('may hold anything of others', () => {
    expect(faultsOf({ PATH: '/bin', HOME: '', latchkey_listen: 'x', MY_LATCHKEY_X: 'y' })).toEqual([]);
  });
});

test('an empty value stands for none', () => {
  expect(readConfig({ LATCHKEY_LISTEN: '', DATABASE_URL: '', LATCHKEY_ROOT_TOKEN: '' })).toEqual(
    readConfig({}),
  );
});

describe('every setting', () => {
  test.each(Object.entries(SETTINGS))('%s is explained', (_name, { about }) => {
    expect(about.length).toBeGreaterThan(10);
    expect(about).toMatch(/^[A-Z].*\.$/s);
  });

  test.each(Object.entries(SETTINGS).filter(([name]) => name.endsWith('_MS') || name.endsWith('_BYTES')))(
    '%s says its unit',
    (name, { about }) => {
      expect(about).toMatch(name.endsWith('_MS') ? /\bms\b/ : /\bbytes\b/);
    },
  );

  test('is described for people with its name and default', () => {
    const rows = describeSettings();
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(SETTINGS));
    expect(rows.find(({ name }) => name === 'LATCHKEY_POLL_MS')?.fallback).toBe('200');
    expect(rows.find(({ name }) => name === 'DATABASE_URL')?.fallback).toBe('');
  });
});

describe('an address', () => {
  test.each([
    ['127.0.0.1:50051', '127.0.0.1', 50051],
    ['0.0.0.0:0', '0.0.0.0', 0],
    ['localhost:1', 'localhost', 1],
    ['latchkey.internal:65535', 'latchkey.internal', 65_535],
    ['[::1]:50051', '::1', 50051],
    ['[::]:0', '::', 0],
    ['[fe80::1:2]:80', 'fe80::1:2', 80],
    ['[::ffff:10.0.0.1]:80', '::ffff:10.0.0.1', 80],
  ])('%s is host %s, port %d', (value, host, port) => {
    expect(readConfig({ LATCHKEY_LISTEN: value, LATCHKEY_HTTP_LISTEN: value })).toMatchObject({
      LATCHKEY_LISTEN: { host, port },
      LATCHKEY_HTTP_LISTEN: { host, port },
    });
  });

  test.each([
    'localhost',
    ':50051',
    '50051',
    'localhost:',
    'localhost:x',
    'localhost:65536',
    'localhost:999999',
    'localhost:-1',
    'localhost:1.5',
    '::1:50051',
    '::1',
    '[::1]',
    '[]:1',
    '[localhost]:1',
    'http://localhost:1',
    'local host:1',
    'localhost:1 ',
    'localhost:1\n',
  ])('%j is none', (value) => {
    expect(faultsOf({ LATCHKEY_LISTEN: value })).toEqual([
      `LATCHKEY_LISTEN: must be host:port, such as 127.0.0.1:50051 or [::1]:50051, not ${JSON.stringify(value)}`,
    ]);
    expect(faultsOf({ LATCHKEY_HTTP_LISTEN: value })).toEqual([
      `LATCHKEY_HTTP_LISTEN: must be host:port, such as 127.0.0.1:9464, or off, not ${JSON.stringify(value)}`,
    ]);
  });

  test('of metrics may be off, that of gRPC may not', () => {
    expect(readConfig({ LATCHKEY_HTTP_LISTEN: 'off' }).LATCHKEY_HTTP_LISTEN).toBeUndefined();
    expect(faultsOf({ LATCHKEY_LISTEN: 'off' })).toHaveLength(1);
  });
});

describe('a number', () => {
  test.each([
    ['LATCHKEY_POLL_MS', 20, 10_000],
    ['LATCHKEY_MAX_STALENESS_MS', 200, 60_000],
    ['LATCHKEY_DATABASE_POOL_SIZE', 1, 1000],
  ])('%s is taken from %d to %d, and the fault says so', (name, min, max) => {
    const others =
      name === 'LATCHKEY_POLL_MS' ? { LATCHKEY_MAX_STALENESS_MS: '60000' } : { LATCHKEY_POLL_MS: '20' };
    for (const value of [min, max]) {
      expect(readConfig({ ...others, [name]: String(value) })).toMatchObject({ [name]: value });
    }
    for (const value of [min - 1, max + 1]) {
      expect(faultsOf({ ...others, [name]: String(value) })).toEqual([
        `${name}: must be a whole number from ${min} to ${max}, not "${value}"`,
      ]);
    }
  });

  test.each([
    'x',
    '1.5',
    '-1',
    '+300',
    '1e3',
    '0x10',
    ' 300',
    '300 ',
    '300ms',
    '1_000',
    '٣٠٠',
    '9'.repeat(20),
  ])('is never %j', (value) => {
    expect(faultsOf({ LATCHKEY_POLL_MS: value })).toEqual([
      `LATCHKEY_POLL_MS: must be a whole number from 20 to 10000, not ${JSON.stringify(value)}`,
    ]);
  });
});

describe('a switch', () => {
  test.each(['1', '0', 'yes', 'TRUE', 'on', ' true'])('is never %j', (value) => {
    expect(faultsOf({ LATCHKEY_MIGRATE: value })).toEqual([
      `LATCHKEY_MIGRATE: must be one of true, false, not ${JSON.stringify(value)}`,
    ]);
  });

  test('is true or false', () => {
    expect(readConfig({ LATCHKEY_MIGRATE: 'false', LATCHKEY_REFLECTION: 'true' })).toMatchObject({
      LATCHKEY_MIGRATE: false,
      LATCHKEY_REFLECTION: true,
    });
  });
});

describe('a setting that does not exist', () => {
  test.each([
    ['LATCHKEY_LISTN', 'LATCHKEY_LISTEN'],
    ['LATCHKEY_POLL', 'LATCHKEY_POLL_MS'],
    ['LATCHKEY_HTTP_LISTENING', 'LATCHKEY_HTTP_LISTEN'],
    ['LATCHKEY_MAX_STALENESS', 'LATCHKEY_MAX_STALENESS_MS'],
    ['LATCHKEY_DATABASE_POOL', 'LATCHKEY_DATABASE_POOL_SIZE'],
  ])('%s is a fault that suggests %s', (name, meant) => {
    expect(faultsOf({ [name]: 'secret-value' })).toEqual([
      `${name}: there is no such setting; did you mean ${meant}?`,
    ]);
  });

  test.each(['LATCHKEY_', 'LATCHKEY_QQQ'])('%s is a fault without a suggestion', (name) => {
    expect(faultsOf({ [name]: 'secret-value' })).toEqual([`${name}: there is no such setting`]);
  });
});

test('all faults are told at once', () => {
  const faults = faultsOf({
    LATCHKEY_LISTEN: 'x',
    LATCHKEY_POLL_MS: 'x',
    LATCHKEY_LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://x',
    LATCHKEY_ROOT_TOKEN: 'x',
    LATCHKEY_TLS_CERT_FILE: '/cert.pem',
    LATCHKEY_QQQ: '1',
  });
  const names = faults.map((fault) => fault.split(/[:,]/)[0] ?? '');
  expect(names.toSorted((one, other) => one.localeCompare(other))).toEqual([
    'DATABASE_URL',
    'LATCHKEY_LISTEN',
    'LATCHKEY_LOG_LEVEL',
    'LATCHKEY_POLL_MS',
    'LATCHKEY_QQQ',
    'LATCHKEY_ROOT_TOKEN',
    'LATCHKEY_TLS_CERT_FILE',
  ]);
});

test('the text of the error is all its faults, a line each', () => {
  const environment = { LATCHKEY_LISTEN: 'x', LATCHKEY_POLL_MS: 'x' };
  expect(() => readConfig(environment)).toThrow(new ConfigError(faultsOf(environment)));
  expect(new ConfigError(['a', 'b']).message).toBe('a\nb');
});

describe('secrets', () => {
  test('that are good are taken', () => {
    expect(readConfig({ DATABASE_URL, LATCHKEY_ROOT_TOKEN: token })).toMatchObject({
      DATABASE_URL,
      LATCHKEY_ROOT_TOKEN: token,
    });
  });

  test.each([
    ['DATABASE_URL', 'mysql://latchkey:correct-horse@db/latchkey'],
    ['DATABASE_URL', 'latchkey:correct-horse@db/latchkey'],
    ['DATABASE_URL', 'postgres://latchkey:correct-horse@db:port/latchkey'],
    ['DATABASE_URL', ' postgres://latchkey:correct-horse@db/latchkey'],
    ['LATCHKEY_ROOT_TOKEN', `${token}correct-horse`],
    ['LATCHKEY_ROOT_TOKEN', `${token.slice(0, -1)}!`],
    ['LATCHKEY_ROOT_TOKEN', `Bearer ${token}`],
  ])('that are wrong are never printed (%s, %#)', (name, value) => {
    const faults = faultsOf({ [name]: value, LATCHKEY_POLL_MS: 'x' });
    expect(faults).toHaveLength(2);
    const text = faults.join('\n');
    expect(text).toContain(`${name}: must be`);
    for (const secret of ['correct-horse', token.slice(0, -1), value]) expect(text).not.toContain(secret);
  });

  test('are marked so in the table', () => {
    const marked = Object.entries<{ readonly secret?: boolean }>(SETTINGS).filter(
      ([, { secret }]) => secret === true,
    );
    expect(marked.map(([name]) => name)).toEqual(['DATABASE_URL', 'LATCHKEY_ROOT_TOKEN']);
  });
});

describe('TLS', () => {
  const cert = { LATCHKEY_TLS_CERT_FILE: '/cert.pem' };
  const key = { LATCHKEY_TLS_KEY_FILE: '/key.pem' };
  const ca = { LATCHKEY_TLS_CLIENT_CA_FILE: '/ca.pem' };
  const both = 'LATCHKEY_TLS_CERT_FILE, LATCHKEY_TLS_KEY_FILE: TLS needs both or neither';
  const needed = 'LATCHKEY_TLS_CLIENT_CA_FILE: client certificates need TLS; set LATCHKEY_TLS_CERT_FILE too';

  test.each<[Readonly<Record<string, string>>, readonly string[]]>([
    [{}, []],
    [{ ...cert, ...key }, []],
    [{ ...cert, ...key, ...ca }, []],
    [cert, [both]],
    [key, [both]],
    [ca, [needed]],
    [{ ...key, ...ca }, [both, needed]],
    [{ ...cert, ...ca }, [both]],
  ])('of %j: %j', (environment, faults) => {
    expect(faultsOf(environment)).toEqual(faults);
  });
});

describe('the poll', () => {
  const fault = 'LATCHKEY_POLL_MS: must be shorter than half of LATCHKEY_MAX_STALENESS_MS';

  test.each([
    ['499', '1000', []],
    ['500', '1000', [fault]],
    ['1000', '1000', [fault]],
  ])('of %s ms with a staleness of %s ms: %j', (pollMs, stalenessMs, faults) => {
    expect(faultsOf({ LATCHKEY_POLL_MS: pollMs, LATCHKEY_MAX_STALENESS_MS: stalenessMs })).toEqual(faults);
  });

  test('is compared with the default too', () => {
    expect(faultsOf({ LATCHKEY_POLL_MS: '2000' })).toEqual([fault]);
    expect(faultsOf({ LATCHKEY_MAX_STALENESS_MS: '200' })).toEqual([fault]);
  });

  test('that is no number is told once, not compared', () => {
    expect(faultsOf({ LATCHKEY_POLL_MS: 'x' })).toHaveLength(1);
  });
});
