import { createLatchkey, LatchkeyError } from '@latchkey/sdk';

const token = process.env['LATCHKEY_TOKEN'] ?? '';
const latchkey = createLatchkey({ address: '127.0.0.1:50051', token, tls: false });

try {
  await latchkey.keys.create({ keyspaceId: 'ks_0123456789abcdef', displayName: 'x'.repeat(200) });
} catch (thrown) {
  const error = LatchkeyError.from(thrown);
  switch (error.reason) {
    case 'INVALID_FIELD':
      for (const { field, description } of error.violations) console.log(`${field} ${description}`);
      break;
    case 'DATABASE_UNAVAILABLE':
      console.log(`again in ${error.retryAfterMs} ms`);
      break;
    default:
      throw error;
  }
}

// Many tokens in one call: each entry is a result or an error of its own.
for (const entry of await latchkey.verifyBatch([{ token: 'one' }, { token: 'two' }])) {
  console.log(entry instanceof LatchkeyError ? entry.message : entry.verdict);
}

// Give up with your own caller, or earlier than the client's default.
await latchkey.verify({ token: 'three' }, { signal: AbortSignal.timeout(5000), deadlineMs: 200 });
latchkey.close();
