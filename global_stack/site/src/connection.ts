// How it stands between this page and the service: who answered last and when, what fails, and a change of Region.
import type { Answer, Failure } from "./api.ts";
import { store } from "./store.ts";

export type Connection = {
  region: string; // that answered last; empty before the first answer
  answeredAt: number | null;
  failure: Failure | null; // of the newest request that nobody could answer
  failingSince: number | null;
  movedFrom: string | null; // the Region that answered before, after a failure
  movedAt: number | null;
};

export const UNKNOWN: Connection = {
  region: "", answeredAt: null, failure: null, failingSince: null, movedFrom: null, movedAt: null,
};

const NO_ANSWER = new Set(["offline", "silent", "unavailable", "throttled"]);

/** Whether asking again may go better, in this Region or in the other one. */
export function isNoAnswer(failure: Failure): boolean {
  return NO_ANSWER.has(failure.kind);
}

/** The connection after one more outcome. A refusal is an answer too, but it tells no Region. */
export function after(known: Connection, answer: Answer<unknown>, now: number): Connection {
  if (!answer.ok) {
    if (!isNoAnswer(answer.failure)) return { ...known, failure: null, failingSince: null };
    return { ...known, failure: answer.failure, failingSince: known.failingSince ?? now };
  }
  const changed = known.region !== "" && answer.region !== "" && answer.region !== known.region;
  const moved = changed && known.failure !== null; // else somebody led the traffic there
  return {
    region: answer.region || known.region,
    answeredAt: now,
    failure: null,
    failingSince: null,
    movedFrom: moved ? known.region : changed ? null : known.movedFrom,
    movedAt: moved ? now : changed ? null : known.movedAt,
  };
}

export const connection = store<Connection>(UNKNOWN);

export function report(answer: Answer<unknown>): void {
  connection.set(after(connection.get(), answer, Date.now()));
}
