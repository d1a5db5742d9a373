// For the people who keep it running: both Regions side by side, what waits, what was set aside, the last drill.
import type { RegionStatus, ServiceStatus, Drill } from "./documents.ts";
import { STATUSES } from "./documents.ts";
import { count, dayAndClock, place, shortSpan, span } from "./format.ts";
import { Card, Skeleton, useWords } from "./parts.tsx";
import type { Failure } from "./api.ts";
import type { Words } from "./words.ts";

// Beyond these a figure is shown as a warning; alarms have their own limits.
const LATE_HEARTBEAT_SECONDS = 45;
const LATE_SECONDS = 10;
const LATE_WORK_SECONDS = 60;

export function Operations(props: {
  status: ServiceStatus | null;
  freshness: Record<string, number>;
  failure: Failure | null;
}) {
  const { words } = useWords();
  const { status } = props;
  const regions = Object.entries(status?.regions ?? {}).sort(([one], [other]) => one.localeCompare(other));
  const serving = regions.filter(([, seen]) => seen.healthy && !seen.drained).length;
  const refused = props.failure?.kind === "forbidden";
  return (
    <>
      <header className="view-head">
        <h1>{words.operations}</h1>
        <p className="quiet">{status && (serving === regions.length ? words.allWell : words.oneDown)}</p>
      </header>
      {refused ? (
        <p className="notice" data-tone="bad">{words.trouble.forbidden}</p>
      ) : (
        <div className="operations">
          {status
            ? regions.map(([region, seen]) => (
                <RegionCard key={region} region={region} seen={seen} shown={props.freshness[region] ?? null} isHere={region === status.seen_from} />
              ))
            : [1, 2].map((card) => (
                <Card key={card} className="region">
                  <Skeleton lines={7} />
                </Card>
              ))}
          <Card title={words.lastDrill} className="drill">
            {status ? <LastDrill drill={status.last_drill ?? null} /> : <Skeleton lines={2} />}
          </Card>
        </div>
      )}
    </>
  );
}

function RegionCard(props: { region: string; seen: RegionStatus; shown: number | null; isHere: boolean }) {
  const { words, language } = useWords();
  const { region, seen, shown } = props;
  // One that does not answer is drained by its peer before long: the worse of both is what people must see.
  const state = !seen.healthy ? "unhealthy" : seen.drained ? "drained" : "healthy";
  const age = (seconds: number | null | undefined) => (seconds == null ? null : span(seconds));
  const short = (seconds: number | null) => (seconds === null ? null : shortSpan(seconds, language));
  const drainedSince = seen.drained_since ? span((Date.now() - Date.parse(seen.drained_since)) / 1000) : "?";
  return (
    <section className="card region" data-state={state} aria-labelledby={`region-${region}`}>
      <header className="card-head">
        <h2 id={`region-${region}`}>
          {place(region)} <small>{region}{props.isHere && ` · ${words.answersNow}`}</small>
        </h2>
        <span className="state">{words[state]}</span>
      </header>
      {seen.drained && (
        <p className="drained">
          {words.drainedBy(drainer(seen.drained_by ?? "", words), drainedSince)}
          {seen.drained_because && `: ${seen.drained_because.startsWith("lost:") ? words.lostReason : seen.drained_because}`}
        </p>
      )}
      <dl className="measures">
        <Measure
          name={words.heartbeat} isBad={(seen.heartbeat_age_seconds ?? Infinity) > LATE_HEARTBEAT_SECONDS}
          value={seen.heartbeat_age_seconds == null ? null : words.ago(span(seen.heartbeat_age_seconds))}
        />
        <Measure
          name={words.lag} isBad={(seen.replication_lag_seconds ?? 0) > LATE_SECONDS}
          value={props.isHere ? "–" : short(seen.replication_lag_seconds)}
        />
        <Measure name={words.shown} isBad={(shown ?? 0) > LATE_SECONDS} value={short(shown)} />
        <Measure
          name={words.pending} isBad={(seen.oldest_pending_seconds ?? 0) > LATE_WORK_SECONDS}
          value={age(seen.oldest_pending_seconds) ?? words.none}
        />
        <DeadLetters seen={seen} />
      </dl>
    </section>
  );
}

/** Who drained a Region, in the reader's words where it was Relevo itself. */
function drainer(by: string, words: Words): string {
  const region = /^sentinel of (\S+)$/.exec(by)?.[1];
  return region ? words.sentinelOf(place(region)) : by || "?";
}

function Measure(props: { name: string; value: string | null; isBad: boolean; note?: string }) {
  const { words } = useWords();
  return (
    <div data-tone={props.isBad ? "bad" : "good"}>
      <dt>{props.name}</dt>
      <dd>
        {props.value ?? words.unknown}
        {props.note && <small>{props.note}</small>}
      </dd>
    </div>
  );
}

function DeadLetters(props: { seen: RegionStatus }) {
  const { words, language } = useWords();
  const { dead_letters: letters, dead_letters_age_seconds: age } = props.seen;
  const sum = letters ? Object.values(letters).reduce((all, one) => all + one, 0) : null;
  const named = (queue: string) => STATUSES.find((status) => status === queue);
  const filled = Object.entries(letters ?? {}).filter(([, depth]) => depth > 0);
  const where = filled.map(([queue, depth]) => {
    const status = named(queue);
    const name = status ? words.statuses[status] : (words.otherQueues[queue] ?? queue);
    return `${name}:\u00a0${count(depth, language)}`; // a number stays with its queue
  });
  const note = where.length ? where.join(", ") : age == null ? "" : words.countedAgo(span(age));
  return (
    <Measure
      name={words.deadLetters} isBad={(sum ?? 0) > 0}
      value={sum === null ? null : sum === 0 ? words.none : count(sum, language)}
      {...(note ? { note } : {})}
    />
  );
}

function LastDrill(props: { drill: Drill | null }) {
  const { words, language } = useWords();
  const { drill } = props;
  if (!drill) return <p className="quiet">{words.noDrill}</p>;
  return (
    <p className="drill-line" data-tone={drill.passed ? "good" : "bad"}>
      <strong>{drill.passed ? words.drillHeld : words.drillBroken}</strong>
      <span>
        {words.drills[drill.drill] ?? drill.drill}
        {drill.region && ` · ${place(drill.region)}`} · {dayAndClock(drill.started_at, language)} ·{" "}
        {drill.timing === "quick" ? words.quickTiming : words.realTiming}
      </span>
    </p>
  );
}
