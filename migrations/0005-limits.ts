import type { Knex } from 'knex';

/** Limits: which there are, on keys, policies and owners; and the ledger, which says what is left of them. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`ALTER TABLE policies ADD COLUMN limits jsonb NOT NULL DEFAULT '[]'`);
  for (const table of ['keys', 'owners']) {
    await knex.raw(
      `ALTER TABLE ?? ADD COLUMN limits jsonb NOT NULL DEFAULT '[]', ADD COLUMN limit_overrides jsonb NOT NULL DEFAULT '[]'`,
      [table],
    );
  }
  for (const statement of [TABLES, REFILLS, LEASE_RATES, LEASE_CREDITS, ADJUST_CREDITS].flat()) {
    await knex.raw(statement);
  }
}

export async function down(knex: Knex): Promise<void> {
  for (const name of [
    'latchkey_adjust_credits(text, bigint, bigint, text, integer, bigint, text, bigint, bigint)',
    'latchkey_lease_credits(text[], bigint[], bigint[], text[], integer[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint)',
    'latchkey_lease_rates(text[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], integer[], bigint[], bigint[], bigint)',
    'latchkey_refill(bigint, timestamptz, timestamptz, bigint, text, integer, bigint)',
    'latchkey_next_refill(timestamptz, text, integer)',
    'latchkey_count_refills(timestamptz, text, integer)',
    'latchkey_clock(bigint)',
  ]) {
    await knex.raw(`DROP FUNCTION ${name}`);
  }
  await knex.raw('DROP TABLE credit_balances');
  await knex.raw('DROP TABLE rate_ledger');
  for (const table of ['keys', 'owners']) {
    await knex.raw('ALTER TABLE ?? DROP COLUMN limits, DROP COLUMN limit_overrides', [table]);
  }
  await knex.raw('ALTER TABLE policies DROP COLUMN limits');
}

/**
 * Rows are rewritten over and over: half of each page is left free, so that they stay where they are and no index is
 * touched; therefore no column of a time is indexed. Ids are compared by their bytes: the fastest, and so a subject's are
 * a range.
 */
const TABLES = [
  // counts: tokens by the bucket until whose end they may be spent, that of idx + K first. expire_time: when none counts.
  `CREATE TABLE rate_ledger (
     id text COLLATE "C" PRIMARY KEY,
     idx bigint NOT NULL,
     counts bigint[] NOT NULL,
     expire_time timestamptz NOT NULL
   ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)`,
  // refill_time: up to when refills were added; infinity while none are to be added, so that with a new rule they count
  // from then.
  `CREATE TABLE credit_balances (
     id text COLLATE "C" PRIMARY KEY,
     balance bigint NOT NULL CHECK (balance >= 0),
     generation bigint NOT NULL,
     refill_time timestamptz NOT NULL
   ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0)`,
];

/** Refills come at midnights, UTC. Counted from the beginning of time they need no walk over the days. */
const REFILLS = [
  // The time, for tests another one: microseconds since 1970.
  `CREATE FUNCTION latchkey_clock(now_us bigint) RETURNS timestamptz
   LANGUAGE sql VOLATILE AS $$
     SELECT CASE WHEN now_us IS NULL THEN pg_catalog.clock_timestamp()
                 ELSE timestamptz 'epoch' + now_us * interval '1 microsecond' END
   $$`,

  `CREATE FUNCTION latchkey_count_refills(at timestamptz, refill_interval text, refill_day integer) RETURNS bigint
   LANGUAGE plpgsql STABLE AS $$
   DECLARE
     today date := (at AT TIME ZONE 'UTC')::date;
     days bigint := today - date '1970-01-01';
     month_end date;
   BEGIN
     IF refill_interval = 'DAILY' THEN
       RETURN days;
     ELSIF refill_interval = 'WEEKLY' THEN
       -- The first day of 1970 was a Thursday.
       RETURN (days + 11 - refill_day) / 7;
     END IF;
     month_end := date_trunc('month', today::timestamp) + interval '1 month - 1 day';
     RETURN extract(year FROM today)::bigint * 12 + extract(month FROM today)::bigint
       + CASE WHEN today >= least(date_trunc('month', today::timestamp)::date + refill_day - 1, month_end) THEN 1 ELSE 0 END;
   END
   $$`,

  `CREATE FUNCTION latchkey_next_refill(after timestamptz, refill_interval text, refill_day integer) RETURNS timestamptz
   LANGUAGE plpgsql STABLE AS $$
   DECLARE
     today date := (after AT TIME ZONE 'UTC')::date;
     days bigint := today - date '1970-01-01';
     month_start timestamp := date_trunc('month', today::timestamp);
     next_day date;
   BEGIN
     IF refill_interval = 'DAILY' THEN
       next_day := today + 1;
     ELSIF refill_interval = 'WEEKLY' THEN
       next_day := today + 7 - ((days + 11 - refill_day) % 7)::integer;
     ELSE
       next_day := least(month_start::date + refill_day - 1, (month_start + interval '1 month - 1 day')::date);
       IF next_day <= today THEN
         month_start := month_start + interval '1 month';
         next_day := least(month_start::date + refill_day - 1, (month_start + interval '1 month - 1 day')::date);
       END IF;
     END IF;
     RETURN next_day::timestamp AT TIME ZONE 'UTC';
   END
   $$`,

  `CREATE FUNCTION latchkey_refill(
     balance bigint, refilled timestamptz, at timestamptz,
     refill_amount bigint, refill_interval text, refill_day integer, refill_max bigint) RETURNS bigint
   LANGUAGE plpgsql STABLE AS $$
   DECLARE
     refills bigint;
   BEGIN
     IF refill_interval IS NULL OR refilled >= at THEN
       RETURN balance;
     END IF;
     refills := latchkey_count_refills(at, refill_interval, refill_day)
       - latchkey_count_refills(refilled, refill_interval, refill_day);
     RETURN greatest(balance, least(balance + refills * refill_amount, coalesce(refill_max, 1000000000000000), 1000000000000000));
   END
   $$`,
];

/**
 * A batch of leases of rate limits: see `RateLease` and `RateGrant`. Times are whole microseconds.
 *
 * A window is cut into B buckets of d. A token that is leased in bucket `cur` is counted under a label from `cur` to
 * `cur` + K, K = B - 1, may be spent until the end of the bucket of its label, and counts until `cur` > label + B. So
 * of the tokens spent in any interval of the window's length all count when the last of them is leased: those of labels
 * from the interval's first bucket on, and that is at most B buckets before the one of that lease.
 *
 * A row is read, and then replaced if it is still the same, else read again and locked; so what writes nothing locks
 * nothing. Ids come sorted: batches wait for each other in one order. Rows are found by their key whatever the planner
 * thinks of a table that was empty when it made the plan.
 */
const LEASE_RATES = `
  CREATE FUNCTION latchkey_lease_rates(
    ids text[], limits bigint[], windows_ms bigint[], override_values bigint[], override_ends_ms bigint[],
    needs bigint[], demands bigint[], wants bigint[], lives_us bigint[],
    return_ends integer[], return_labels bigint[], return_counts bigint[], now_us bigint)
  RETURNS TABLE (
    granted bigint, label bigint, left_us bigint, allowed bigint, remaining bigint, retry_us bigint, reset_us bigint,
    time_us bigint)
  LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
  DECLARE
    live bigint;
    buckets CONSTANT integer := 20;
    slots CONSTANT integer := 2 * buckets;
    width bigint;
    first_return integer;
    last_return integer := 0;
    again boolean;
    there boolean;
    changed boolean;
    old_idx bigint;
    old_counts bigint[];
    cur bigint;
    slot_counts bigint[];
    passed integer;
    slot bigint;
    slot_count bigint;
    overridden boolean;
    override_end bigint;
    missing bigint;
  BEGIN
    -- What is granted must survive a crash. Lasts to the end of the transaction, whatever the connection's setting is.
    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
      PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    SELECT greatest(1, count(*)) INTO live FROM replicas WHERE lease_until > latchkey_clock(now_us);

    FOR i IN 1 .. coalesce(array_length(ids, 1), 0) LOOP
      width := windows_ms[i] * 1000 / buckets;
      first_return := last_return + 1;
      last_return := return_ends[i];
      again := false;
      LOOP
        IF again THEN
          SELECT r.idx, r.counts INTO old_idx, old_counts FROM rate_ledger r WHERE r.id = ids[i] FOR UPDATE;
        ELSE
          SELECT r.idx, r.counts INTO old_idx, old_counts FROM rate_ledger r WHERE r.id = ids[i];
        END IF;
        there := FOUND;
        -- After the row was read: no lease that it knows was made later than this.
        time_us := coalesce(now_us, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
        cur := time_us / width;
        IF NOT there THEN
          slot_counts := array_fill(0::bigint, ARRAY[slots]);
        ELSIF cur > old_idx THEN
          passed := least(cur - old_idx, slots);
          slot_counts := array_fill(0::bigint, ARRAY[passed]) || old_counts[1 : slots - passed];
        ELSE
          cur := old_idx;
          slot_counts := old_counts;
        END IF;

        changed := false;
        FOR n IN first_return .. last_return LOOP
          slot := cur + buckets - return_labels[n];
          IF slot BETWEEN 1 AND slots AND slot_counts[slot] > 0 AND return_counts[n] > 0 THEN
            slot_counts[slot] := greatest(0, slot_counts[slot] - return_counts[n]);
            changed := true;
          END IF;
        END LOOP;

        override_end := override_ends_ms[i] * 1000;
        overridden := override_end IS NOT NULL AND time_us < override_end;
        allowed := CASE WHEN overridden THEN override_values[i] ELSE limits[i] END;
        remaining := allowed;
        FOREACH slot_count IN ARRAY slot_counts LOOP
          remaining := remaining - slot_count;
        END LOOP;

        label := greatest(cur, least((time_us + lives_us[i]) / width, cur + buckets - 1));
        -- A clock that went back makes no life longer: it may go forth again.
        left_us := least((label + 1) * width - time_us, (label - cur + 1) * width);
        IF overridden THEN
          left_us := least(left_us, override_end - time_us);
        END IF;
        granted := 0;
        retry_us := 0;
        IF remaining < needs[i] THEN
          retry_us := NULL;
          IF needs[i] <= allowed THEN
            missing := needs[i] - remaining;
            FOR n IN REVERSE slots .. 1 LOOP
              missing := missing - slot_counts[n];
              IF missing <= 0 THEN
                retry_us := (cur + buckets - n + buckets + 1) * width - time_us;
                EXIT;
              END IF;
            END LOOP;
          END IF;
          IF overridden AND allowed < limits[i] AND needs[i] <= limits[i] THEN
            retry_us := least(retry_us, override_end - time_us);
          END IF;
        ELSIF wants[i] > 0 AND remaining > 0 THEN
          granted := least(remaining, greatest(needs[i], demands[i], least(wants[i], (remaining + 2 * live - 1) / (2 * live))));
          slot := buckets - (label - cur);
          slot_counts[slot] := slot_counts[slot] + granted;
          changed := true;
        END IF;
        remaining := greatest(0, remaining - granted);

        reset_us := 0;
        FOR n IN 1 .. slots LOOP
          IF slot_counts[n] > 0 THEN
            reset_us := (cur + buckets - n + buckets + 1) * width - time_us;
            EXIT;
          END IF;
        END LOOP;

        EXIT WHEN NOT changed;
        IF there THEN
          UPDATE rate_ledger r
             SET idx = cur, counts = slot_counts,
                 expire_time = timestamptz 'epoch' + (time_us + reset_us) * interval '1 microsecond'
           WHERE r.id = ids[i] AND r.idx = old_idx AND r.counts = old_counts;
        ELSE
          INSERT INTO rate_ledger (id, idx, counts, expire_time)
          VALUES (ids[i], cur, slot_counts, timestamptz 'epoch' + (time_us + reset_us) * interval '1 microsecond')
          ON CONFLICT DO NOTHING;
        END IF;
        EXIT WHEN FOUND;
        again := true;
      END LOOP;
      RETURN NEXT;
    END LOOP;
  END
  $$`;

/**
 * A batch of leases of credits: see `CreditLease` and `CreditGrant`. Rows are read and replaced as above.
 *
 * Generations begin with the time at which the row is made, so that what was leased of a row that is gone, and was made
 * anew, is of another one.
 */
const LEASE_CREDITS = `
  CREATE FUNCTION latchkey_lease_credits(
    ids text[], initials bigint[],
    refill_amounts bigint[], refill_intervals text[], refill_days integer[], refill_maxes bigint[],
    needs bigint[], demands bigint[], wants bigint[], returned bigint[], generations bigint[], now_us bigint)
  RETURNS TABLE (granted bigint, left_balance bigint, current_generation bigint, refill_us bigint)
  LANGUAGE plpgsql VOLATILE SET enable_seqscan = off AS $$
  DECLARE
    live bigint;
    again boolean;
    there boolean;
    changed boolean;
    now_time timestamptz;
    settled timestamptz;
    old_row credit_balances;
  BEGIN
    IF current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN
      PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    SELECT greatest(1, count(*)) INTO live FROM replicas WHERE lease_until > latchkey_clock(now_us);

    FOR i IN 1 .. coalesce(array_length(ids, 1), 0) LOOP
      again := false;
      LOOP
        IF again THEN
          SELECT * INTO old_row FROM credit_balances c WHERE c.id = ids[i] FOR UPDATE;
        ELSE
          SELECT * INTO old_row FROM credit_balances c WHERE c.id = ids[i];
        END IF;
        there := FOUND;
        now_time := latchkey_clock(now_us);
        IF there THEN
          current_generation := old_row.generation;
          left_balance := latchkey_refill(old_row.balance, old_row.refill_time, now_time,
            refill_amounts[i], refill_intervals[i], refill_days[i], refill_maxes[i]);
          changed := left_balance <> old_row.balance
            OR (refill_intervals[i] IS NULL) <> (old_row.refill_time = 'infinity');
          IF returned[i] > 0 AND generations[i] = current_generation THEN
            left_balance := least(left_balance + returned[i], 1000000000000000);
            changed := true;
          END IF;
        ELSE
          current_generation := (extract(epoch FROM now_time) * 1000)::bigint;
          left_balance := initials[i];
          -- What only goes back makes no balance: it was deleted.
          changed := returned[i] = 0;
        END IF;

        granted := 0;
        IF wants[i] > 0 AND left_balance >= needs[i] AND left_balance > 0 THEN
          granted := least(left_balance,
            greatest(needs[i], demands[i], least(wants[i], (left_balance + 2 * live - 1) / (2 * live))));
          left_balance := left_balance - granted;
          changed := true;
        END IF;
        refill_us := CASE WHEN refill_intervals[i] IS NOT NULL THEN
          (extract(epoch FROM latchkey_next_refill(now_time, refill_intervals[i], refill_days[i]) - now_time) * 1000000)::bigint
        END;

        EXIT WHEN NOT changed;
        settled := CASE
          WHEN refill_intervals[i] IS NULL THEN 'infinity'
          WHEN there AND old_row.refill_time <> 'infinity' THEN greatest(old_row.refill_time, now_time)
          ELSE now_time
        END;
        IF there THEN
          UPDATE credit_balances c SET balance = left_balance, refill_time = settled
           WHERE c.id = ids[i] AND c.balance = old_row.balance AND c.generation = old_row.generation
             AND c.refill_time = old_row.refill_time;
        ELSE
          INSERT INTO credit_balances (id, balance, generation, refill_time)
          VALUES (ids[i], left_balance, current_generation, settled)
          ON CONFLICT DO NOTHING;
        END IF;
        EXIT WHEN FOUND;
        again := true;
      END LOOP;
      RETURN NEXT;
    END LOOP;
  END
  $$`;

/** A change of a balance by management, inside of a transaction of its own: see `CreditRepository.adjust`. */
const ADJUST_CREDITS = `
  CREATE FUNCTION latchkey_adjust_credits(
    balance_id text, initial bigint,
    refill_amount bigint, refill_interval text, refill_day integer, refill_max bigint,
    change_kind text, change_amount bigint, now_us bigint)
  RETURNS TABLE (done boolean, new_balance bigint)
  LANGUAGE plpgsql VOLATILE AS $$
  DECLARE
    now_time timestamptz;
    settled timestamptz;
    changed_balance bigint;
    old_row credit_balances;
  BEGIN
    LOOP
      SELECT * INTO old_row FROM credit_balances c WHERE c.id = balance_id FOR UPDATE;
      EXIT WHEN FOUND;
      now_time := latchkey_clock(now_us);
      INSERT INTO credit_balances (id, balance, generation, refill_time)
      VALUES (balance_id, initial, (extract(epoch FROM now_time) * 1000)::bigint,
              CASE WHEN refill_interval IS NULL THEN 'infinity' ELSE now_time END)
      ON CONFLICT DO NOTHING;
    END LOOP;
    now_time := latchkey_clock(now_us);
    settled := CASE
      WHEN refill_interval IS NULL THEN 'infinity'
      WHEN old_row.refill_time <> 'infinity' THEN greatest(old_row.refill_time, now_time)
      ELSE now_time
    END;
    new_balance := latchkey_refill(old_row.balance, old_row.refill_time, now_time,
      refill_amount, refill_interval, refill_day, refill_max);
    changed_balance := CASE change_kind
      WHEN 'ADD' THEN new_balance + change_amount
      WHEN 'TAKE' THEN new_balance - change_amount
      WHEN 'SET' THEN change_amount
    END;
    done := changed_balance BETWEEN 0 AND 1000000000000000;
    IF done THEN
      new_balance := changed_balance;
    END IF;
    UPDATE credit_balances c
       SET balance = new_balance, refill_time = settled,
           generation = c.generation + CASE WHEN done AND change_kind = 'SET' THEN 1 ELSE 0 END
     WHERE c.id = balance_id;
    RETURN NEXT;
  END
  $$`;
