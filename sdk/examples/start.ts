import { createLatchkey } from '@latchkey/sdk';
const token = process.env['LATCHKEY_TOKEN'] ?? '';
const latchkey = createLatchkey({ address: '127.0.0.1:50051', token, tls: false });
const result = await latchkey.verify({ token: process.argv[2] ?? '', scopes: ['orders:read'] });
console.log(result.valid ? `${result.key.id} may pass` : `refused: ${result.verdict}`);
