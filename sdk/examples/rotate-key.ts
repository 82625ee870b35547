import { createLatchkey } from '@latchkey/sdk';

const rootToken = process.env['LATCHKEY_TOKEN'] ?? '';
const latchkey = createLatchkey({ address: '127.0.0.1:50051', token: rootToken, tls: false });
const { keys, keyspaces, replicas } = latchkey;
const { keyspace } = await keyspaces.create({ slug: 'billing', tokenPrefix: 'bill' });
const { key, token: oldToken } = await keys.create({ keyspaceId: keyspace.id, displayName: 'invoices' });

// Both tokens pass for a day, at most as long as the key itself. What a comment after a console.log says is what it prints.
const rotated = await keys.rotate(key.id, { overlapMs: 24 * 60 * 60 * 1000 });
console.log(rotated.key.id === key.id, rotated.key.secrets.length); // true 2

// The new token passes on every replica from now on.
const first = await latchkey.verify({ token: rotated.token });
console.log(first.verdict, (await latchkey.verify({ token: oldToken })).verdict); // VALID VALID

// The client has the new token now: end the old one. From `effectiveTime` on no replica accepts it.
const { propagation, effectiveTime } = await keys.completeRotation(key.id);
console.log(effectiveTime instanceof Date, propagation); // true { replicas: 1, confirmed: 1 }
console.log((await latchkey.verify({ token: oldToken })).verdict); // SECRET_RETIRED

// A mistake? As long as the overlap lasts, the new token can be ended instead of the old one.
const mistaken = await keys.rotate(key.id, { overlapMs: 60_000 });
await keys.cancelRotation(key.id);
console.log((await latchkey.verify({ token: mistaken.token })).verdict); // SECRET_RETIRED
console.log((await latchkey.verify({ token: rotated.token })).verdict); // VALID

// Without an overlap the old secret ends now; `wait: false` answers before all replicas know.
const { token, effectiveTime: soon } = await keys.rotate(key.id, { wait: false });
console.log((await latchkey.verify({ token })).verdict, soon instanceof Date); // VALID true

// Which replicas there are, and whether they keep up.
const { replicas: all } = await replicas.list();
console.log(all.map(({ lag, leaseValid }) => ({ lag, leaseValid }))); // [ { lag: 0, leaseValid: true } ]

await keys.delete(key.id);
await keyspaces.delete(keyspace.id);
latchkey.close();
