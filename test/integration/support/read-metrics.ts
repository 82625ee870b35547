/** What `/metrics` said at one moment. */
export interface ReadMetrics {
  readonly text: string;
  /** The sum of all samples of this name that have these labels; 0 if there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

/** @param httpAddress `http://host:port` */
export async function readMetrics(httpAddress: string): Promise<ReadMetrics> {
  const response = await fetch(`${httpAddress}/metrics`);
  const text = await response.text();
  // https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
  const samples = [...text.matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({
    name,
    labels: labels ?? '',
    value: Number(value),
  }));
  return {
    text,
    sum: (wanted, labels = {}) =>
      samples
        .filter(({ name }) => name === wanted)
        .filter((sample) =>
          Object.entries(labels).every(([label, value]) => sample.labels.includes(`${label}="${value}"`)),
        )
        .reduce((total, { value }) => total + value, 0),
  };
}
