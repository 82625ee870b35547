import { describe, expect, test } from 'vitest';
import { VERDICTS } from '../../core/verdict.ts';
import { failureOf } from '../support/failure-of.ts';
import { readMetrics } from './support/read-metrics.ts';
import { serveLatchkey } from './support/serve-latchkey.ts';

const served = serveLatchkey();

const get = (path: string, method = 'GET'): Promise<Response> =>
  fetch(`${served().server.httpAddress}${path}`, { method });

describe('/metrics', () => {
  test('has a counter for every verdict, from the start, as Prometheus reads them', async () => {
    const response = await get('/metrics');
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    for (const verdict of VERDICTS) {
      expect(text).toMatch(new RegExp(`^latchkey_verifications_total\\{verdict="${verdict}"\\} \\d+$`, 'm'));
    }
    expect(text).toContain('# TYPE latchkey_verifications_total counter');
  });

  test('counts verifications by their verdict, whichever way they went', async () => {
    const { root, issue, metric } = served();
    const { id, token } = await issue();
    const count = (verdict: string): Promise<number> => metric('latchkey_verifications_total', { verdict });
    const before = { VALID: await count('VALID'), DISABLED: await count('DISABLED') };
    await root.verify.verify({ token });
    await root.verify.verify({ token });
    await root.verify.batchVerify({ requests: [{ token }, { token }] });
    await root.keys.disableKey({ id });
    await root.verify.verify({ token });
    expect(await count('VALID')).toBe(before.VALID + 4);
    expect(await count('DISABLED')).toBe(before.DISABLED + 1);
  });

  test('counts calls by their method and code', async () => {
    const { root, metric } = served();
    const method = 'latchkey.v1.KeyService/GetKey';
    const count = (code: string): Promise<number> =>
      metric('latchkey_call_duration_seconds_count', { method, code });
    const { id } = await served().issue();
    const before = [await count('OK'), await count('NOT_FOUND'), await count('INVALID_ARGUMENT')];
    await root.keys.getKey({ id });
    await failureOf((options) => root.keys.getKey({ id: 'key_0000000000000000' }, options));
    await failureOf((options) => root.keys.getKey({ id: 'x' }, options));
    await failureOf((options) => root.keys.getKey({ id: '' }, options));
    expect([await count('OK'), await count('NOT_FOUND'), await count('INVALID_ARGUMENT')]).toEqual([
      (before[0] ?? 0) + 1,
      (before[1] ?? 0) + 1,
      (before[2] ?? 0) + 2,
    ]);
  });

  test('tells what memory holds and whether it may answer', async () => {
    const { root, issue, server } = served();
    const read = async () => {
      const { sum } = await readMetrics(server.httpAddress);
      return {
        keys: sum('latchkey_cached_keys'),
        bytes: sum('latchkey_cached_bytes'),
        absences: sum('latchkey_cached_absences'),
        failures: sum('latchkey_key_load_failures'),
        fresh: sum('latchkey_memory_fresh'),
      };
    };
    const { id, token } = await issue();
    const before = await read();
    await root.verify.verify({ token });
    const filled = await read();
    expect(filled).toEqual({ ...before, keys: before.keys + 1, bytes: filled.bytes, fresh: 1, failures: 0 });
    expect(filled.bytes - before.bytes).toBeGreaterThan(1000);
    await root.keys.deleteKey({ id });
    await root.verify.verify({ token });
    expect(await read()).toEqual({ ...before, absences: before.absences + 1 });
  });

  test('has the process’s own', async () => {
    expect(await served().metric('process_resident_memory_bytes')).toBeGreaterThan(0);
  });
});

describe('a probe', () => {
  test.each(['/livez', '/readyz', '/livez?verbose', '/readyz?x=/livez'])('%s says ok', async (path) => {
    const response = await get(path);
    expect([response.status, await response.text()]).toEqual([200, 'ok\n']);
  });

  test('answers HEAD without a body', async () => {
    const response = await get('/readyz', 'HEAD');
    expect([response.status, await response.text()]).toEqual([200, '']);
  });
});

describe('anything else over HTTP', () => {
  test.each([
    ['/', 'GET'],
    ['/metrics/', 'GET'],
    ['/Livez', 'GET'],
    ['/constructor', 'GET'],
    ['/__proto__', 'GET'],
    ['/metrics', 'POST'],
    ['/livez', 'DELETE'],
    ['/readyz', 'OPTIONS'],
  ])('%s by %s is not found', async (path, method) => {
    const response = await get(path, method);
    expect(response.status).toBe(404);
    expect(await response.text()).toBe('try /metrics, /livez or /readyz\n');
  });
});

describe('health', () => {
  test.each(['', 'latchkey.v1.VerifyService', 'latchkey.v1.KeyService', 'latchkey.v1.KeyspaceService'])(
    'of the service %j is SERVING',
    async (service) => {
      expect((await served().clients(undefined).health.check({ service })).status).toBe(1);
    },
  );

  test('of a service that there is not is NOT_FOUND', async () => {
    const failure = await failureOf((options) => served().root.health.check({ service: 'nope' }, options));
    expect(failure.code).toBe(5);
  });
});

describe('HTTP that is switched off', () => {
  const silent = serveLatchkey({ env: { LATCHKEY_HTTP_LISTEN: 'off' } });

  test('is not served, and gRPC is', async () => {
    expect(silent().server.httpAddress).toBe('');
    expect(silent().server.app.http).toBeUndefined();
    expect(await silent().latchkey.health()).toBe('SERVING');
  });
});
