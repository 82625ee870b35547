import type { Knex } from 'knex';
import type { IdempotencyRepository } from '../lifecycle/ports.ts';

interface Row {
  readonly request_digest: Buffer | null;
  readonly sealed_answer: Buffer | null;
}

export function createIdempotencyRepository(knex: Knex): IdempotencyRepository {
  return {
    async claim(idHashHex, expireTimeMs) {
      const id_hash = Buffer.from(idHashHex, 'hex');
      for (;;) {
        // The unique index makes a second transaction wait here until the first has ended.
        const claimed = await knex('idempotency_records')
          .insert({ id_hash, expire_time: new Date(expireTimeMs) })
          .onConflict('id_hash')
          .ignore()
          .returning('id_hash');
        if (claimed.length > 0) return undefined;
        const [row] = (await knex('idempotency_records').where({ id_hash })) as Row[];
        // No row: it was over and purged in between, so the id is free.
        if (row === undefined) continue;
        if (row.request_digest === null || row.sealed_answer === null) return undefined;
        return { requestDigestHex: row.request_digest.toString('hex'), sealedAnswer: row.sealed_answer };
      }
    },

    async complete(idHashHex, { requestDigestHex, sealedAnswer }) {
      await knex('idempotency_records')
        .where({ id_hash: Buffer.from(idHashHex, 'hex') })
        .update({ request_digest: Buffer.from(requestDigestHex, 'hex'), sealed_answer: sealedAnswer });
    },

    async purgeDue(nowMs, limit) {
      const due = knex('idempotency_records')
        .select('id_hash')
        .where('expire_time', '<=', new Date(nowMs))
        .limit(limit);
      return knex('idempotency_records').whereIn('id_hash', due).delete();
    },
  };
}
