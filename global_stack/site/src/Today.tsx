// The figures of today: what somebody sees at a glance, from across the room.
import type { Metrics } from "./documents.ts";
import { STATUSES } from "./documents.ts";
import { change, count, dayName, hourInBogota, money } from "./format.ts";
import { HourChart } from "./HourChart.tsx";
import { Card, Empty, Ranking, Skeleton, useWords } from "./parts.tsx";

const WORTH_COMPARING = 0.1; // of yesterday's sales

export function Today(props: { metrics: Metrics | null; yesterday: Metrics | null }) {
  const { words, language } = useWords();
  const { metrics, yesterday } = props;
  return (
    <>
      <header className="view-head">
        <h1>{words.today}</h1>
        <p className="quiet">{metrics && dayName(metrics.day, language)}</p>
      </header>
      {metrics && moved(metrics) === 0 ? (
        <EmptyDay yesterday={yesterday} />
      ) : (
        <div className="today">
          <Figures metrics={metrics} yesterday={yesterday} />
          <Card title={words.byHour} className="by-hour">
            {metrics ? (
              <HourChart
                today={hours(metrics)}
                yesterday={yesterday && Number(yesterday.sales) > 0 ? hours(yesterday) : null}
                hour={hourInBogota(metrics.as_of)}
              />
            ) : (
              <Skeleton tall />
            )}
          </Card>
          <Card title={words.byStatus} className="by-status">
            {metrics ? <ByStatus metrics={metrics} /> : <Skeleton lines={6} />}
          </Card>
          <Card title={words.topProducts} className="top-products">
            {metrics ? (
              <Ranking
                none={words.noneYet}
                rows={metrics.top_products.slice(0, 5).map(({ product, units }) => ({
                  name: product, value: units, text: words.units(units, count(units, language)),
                }))}
              />
            ) : (
              <Skeleton lines={5} />
            )}
          </Card>
          <Card title={words.topCouriers} className="top-couriers">
            {metrics ? (
              <Ranking
                none={words.noneYet}
                rows={metrics.top_couriers.slice(0, 5).map(({ courier, delivered }) => ({
                  name: courier, value: delivered, text: words.deliveries(delivered, count(delivered, language)),
                }))}
              />
            ) : (
              <Skeleton lines={5} />
            )}
          </Card>
        </div>
      )}
    </>
  );
}

function moved(metrics: Metrics): number {
  return STATUSES.reduce((sum, status) => sum + metrics.orders_by_status[status], 0);
}

function hours(metrics: Metrics): number[] {
  return (metrics.sales_by_hour ?? []).map(Number);
}

function Figures(props: { metrics: Metrics | null; yesterday: Metrics | null }) {
  const { words, language } = useWords();
  const { metrics, yesterday } = props;
  return (
    <>
      <Card className="figure figure-sales">
        <h2>{words.sales}</h2>
        {metrics ? <p className="number">{money(metrics.sales, language)}</p> : <Skeleton tall />}
        <p className="quiet">{metrics && yesterday && <Compared metrics={metrics} yesterday={yesterday} />}</p>
      </Card>
      <Card className="figure">
        <h2>{words.delivered}</h2>
        {metrics ? <p className="number">{count(metrics.delivered, language)}</p> : <Skeleton tall />}
        <p className="quiet">{metrics && words.deliveredOf(count(moved(metrics), language))}</p>
      </Card>
      <Card className="figure">
        <h2>{words.average}</h2>
        {metrics ? (
          <p className="number">{money(metrics.average_per_delivered_order, language)}</p>
        ) : (
          <Skeleton tall />
        )}
        <p className="quiet">{metrics && words.perDelivered}</p>
      </Card>
    </>
  );
}

/** Like with like: the hours that are over, today against yesterday. */
function Compared(props: { metrics: Metrics; yesterday: Metrics }) {
  const { words, language } = useWords();
  const { metrics, yesterday } = props;
  if (Number(yesterday.sales) === 0) return words.noYesterday;
  const hour = hourInBogota(metrics.as_of);
  const until = (document: Metrics) => hours(document).slice(0, hour).reduce((sum, amount) => sum + amount, 0);
  const before = until(yesterday);
  // Early in the day a few orders more or less would look like news.
  const ratio = before > Number(yesterday.sales) * WORTH_COMPARING ? until(metrics) / before - 1 : null;
  return (
    <>
      {ratio !== null && (
        <strong className="versus" data-tone={ratio < 0 ? "down" : "up"}>
          {words.versusYesterday(change(ratio, language), `${hour}:00`)}
        </strong>
      )}{" "}
      <span>{words.yesterdayTotal(money(yesterday.sales, language))}</span>
    </>
  );
}

function ByStatus(props: { metrics: Metrics }) {
  const { words, language } = useWords();
  const { orders_by_status: found, conflicts } = props.metrics;
  const all = Math.max(moved(props.metrics), 1);
  return (
    <>
      <ul className="statuses">
        {STATUSES.map((status) => (
          <li key={status} data-status={status} style={{ "--share": found[status] / all } as React.CSSProperties}>
            <span>{words.statuses[status]}</span>
            <i aria-hidden="true" />
            <b>{count(found[status], language)}</b>
          </li>
        ))}
      </ul>
      {conflicts > 0 && <p className="conflicts">{words.conflicts(conflicts)}</p>}
    </>
  );
}

function EmptyDay(props: { yesterday: Metrics | null }) {
  const { words, language } = useWords();
  return (
    <Card className="empty-day">
      <Empty title={words.emptyDay} text={words.emptyDayText}>
        {props.yesterday && Number(props.yesterday.sales) > 0 && (
          <p className="quiet">{words.yesterdayTotal(money(props.yesterday.sales, language))}</p>
        )}
      </Empty>
    </Card>
  );
}
