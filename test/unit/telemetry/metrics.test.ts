import { describe, expect, test } from 'vitest';
import { VERDICTS } from '../../../core/verdict.ts';
import { createMetrics, type Metrics } from '../../../server/telemetry/metrics.ts';

/** The value of a series in what Prometheus scrapes. */
async function valueOf(metrics: Metrics, series: string): Promise<number | undefined> {
  const { text } = await metrics.scrape();
  const line = text.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

describe('verifications', () => {
  test('stand in the scrape by their verdict, from zero on', async () => {
    const metrics = createMetrics();
    for (const verdict of VERDICTS) {
      expect(await valueOf(metrics, `latchkey_verifications_total{verdict="${verdict}"}`)).toBe(0);
    }
    for (let count = 0; count < 3; count += 1) metrics.countVerdict('VALID');
    metrics.countVerdict('REVOKED');
    expect(await valueOf(metrics, 'latchkey_verifications_total{verdict="VALID"}')).toBe(3);
    expect(await valueOf(metrics, 'latchkey_verifications_total{verdict="REVOKED"}')).toBe(1);
    expect(await valueOf(metrics, 'latchkey_verifications_total{verdict="NOT_FOUND"}')).toBe(0);
  });

  test('are not counted twice by a second scrape', async () => {
    const metrics = createMetrics();
    metrics.countVerdict('VALID');
    await metrics.scrape();
    metrics.countVerdict('VALID');
    expect(await valueOf(metrics, 'latchkey_verifications_total{verdict="VALID"}')).toBe(2);
    expect(await valueOf(metrics, 'latchkey_verifications_total{verdict="VALID"}')).toBe(2);
  });
});

test('calls stand in the scrape by method and code', async () => {
  const metrics = createMetrics();
  metrics.countCall('/latchkey.v1.KeyService/GetKey', 'OK', 0.02);
  metrics.countCall('/latchkey.v1.KeyService/GetKey', 'OK', 0.03);
  const labels = 'method="latchkey.v1.KeyService/GetKey",code="OK"';
  expect(await valueOf(metrics, `latchkey_call_duration_seconds_count{${labels}}`)).toBe(2);
  expect(await valueOf(metrics, `latchkey_call_duration_seconds_sum{${labels}}`)).toBeCloseTo(0.05);
  expect(await valueOf(metrics, `latchkey_call_duration_seconds_bucket{le="0.025",${labels}}`)).toBe(1);
});

test('an observed value is read when somebody asks', async () => {
  const metrics = createMetrics();
  let keys = 1;
  metrics.observe('latchkey_cached_keys', 'Keys in memory', () => keys);
  expect(await valueOf(metrics, 'latchkey_cached_keys')).toBe(1);
  keys = 5;
  expect(await valueOf(metrics, 'latchkey_cached_keys')).toBe(5);
});

test('two sets of metrics in one process do not meet', async () => {
  const one = createMetrics();
  const other = createMetrics();
  one.countVerdict('VALID');
  expect(await valueOf(other, 'latchkey_verifications_total{verdict="VALID"}')).toBe(0);
});

test('the scrape is Prometheus text with help for every metric', async () => {
  const { contentType, text } = await createMetrics().scrape();
  expect(contentType).toContain('text/plain');
  expect(text).toContain('# HELP latchkey_verifications_total Verifications by their verdict');
  expect(text).toContain('# TYPE latchkey_verifications_total counter');
  expect(text).toContain('process_cpu_seconds_total');
});
