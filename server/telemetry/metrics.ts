import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { VERDICTS, type Verdict } from '../../core/verdict.ts';

/** What calls are counted by. */
export interface CallMetrics {
  /** One verification. Called in the express lane: it only adds to a number. */
  countVerdict(verdict: Verdict): void;
  /** One call that did not take the express lane. */
  countCall(path: string, code: string, seconds: number): void;
}

/** What the process tells of itself. */
export interface Metrics extends CallMetrics {
  /** A value that is read when somebody asks. */
  observe(name: string, help: string, read: () => number): void;
  /** The text that Prometheus scrapes. */
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const counts = new Map<Verdict, number>(VERDICTS.map((verdict) => [verdict, 0]));
  const verifications = new Counter({
    name: 'latchkey_verifications_total',
    help: 'Verifications by their verdict',
    labelNames: ['verdict'],
    collect() {
      this.reset();
      for (const [verdict, count] of counts) this.inc({ verdict }, count);
    },
    registers: [],
  });
  registry.registerMetric(verifications);
  const calls = new Histogram({
    name: 'latchkey_call_duration_seconds',
    help: 'Calls by method and code, without the verifications that memory answered at once',
    labelNames: ['method', 'code'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [registry],
  });

  return {
    countVerdict: (verdict) => void counts.set(verdict, (counts.get(verdict) ?? 0) + 1),
    countCall: (path, code, seconds) => calls.observe({ method: path.slice(1), code }, seconds),
    observe(name, help, read) {
      const gauge = new Gauge({
        name,
        help,
        collect() {
          this.set(read());
        },
        registers: [],
      });
      registry.registerMetric(gauge);
    },
    scrape: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
