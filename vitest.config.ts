import { defineConfig } from 'vitest/config';

/** One project a layer of docs/testing.md; `npx vitest run --project unit` runs one alone. */
export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      // Random tests by the hundred thousand: seconds on a busy machine.
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 60_000 } },
      {
        test: {
          name: 'contract',
          isolate: false,
          include: ['test/contract/**/*.test.ts'],
          globalSetup: ['test/support/postgres-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'integration',
          // Each file has a server of its own and nothing in common with others: half the time without new workers.
          isolate: false,
          include: ['test/integration/**/*.test.ts'],
          globalSetup: ['test/support/build-setup.ts', 'test/support/postgres-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/support/build-setup.ts', 'test/support/postgres-setup.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
