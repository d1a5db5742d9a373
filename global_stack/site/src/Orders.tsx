// The list of orders: newest first, by status, endless, with a search by number.
import { useCallback, useEffect, useRef, useState, type FormEvent } from "react";
import { STATUSES, type Order, type Page, type Status } from "./documents.ts";
import { clock, count, dayAndClock, money } from "./format.ts";
import { EMPTY, nextPlace, withNewest, withPage, type OrderList, type Place } from "./orderList.ts";
import { Empty, Skeleton, StatusChip, useWords } from "./parts.tsx";
import { ask, usePolled } from "./polling.ts";
import { addressOf } from "./route.ts";

const PAGE = 50;
const LIST_EVERY_MS = 4_000;

function pathOf(status: Status | null, cursor?: string): string {
  const query = new URLSearchParams({ limit: String(PAGE) });
  if (status) query.set("status", status);
  if (cursor) query.set("cursor", cursor);
  return `/v1/orders?${query}`;
}

export function Orders() {
  const { words } = useWords();
  const [status, setStatus] = useState<Status | null>(null);
  return (
    <>
      <header className="view-head">
        <h1>{words.orders}</h1>
        <p className="quiet">{words.newest}</p>
      </header>
      <div className="tools">
        <Search />
        <fieldset className="filter">
          <legend className="hidden">{words.filter}</legend>
          {[null, ...STATUSES].map((one) => (
            <label key={one ?? "all"}>
              <input type="radio" name="status" checked={status === one} onChange={() => setStatus(one)} />
              <span>{one ? words.statuses[one] : words.allStatuses}</span>
            </label>
          ))}
        </fieldset>
      </div>
      <List key={status ?? "all"} status={status} />
    </>
  );
}

function Search() {
  const { words } = useWords();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const id = String(new FormData(event.currentTarget).get("id") ?? "").trim();
    if (id) window.location.hash = addressOf("orders", id);
  };
  return (
    <form className="search" role="search" onSubmit={submit}>
      <input name="id" type="search" aria-label={words.search} placeholder={words.search} maxLength={64} autoComplete="off" />
      <button type="submit">{words.find}</button>
    </form>
  );
}

function List(props: { status: Status | null }) {
  const { words, language } = useWords();
  const [list, setList] = useState<OrderList>(EMPTY);
  const [loadingMore, setLoadingMore] = useState(false);
  const end = useRef<HTMLDivElement>(null);
  const again = useRef<Place | null>(null);

  const bring = useCallback(
    async ({ cursor, after }: Place) => {
      const found = await ask<Page>(pathOf(props.status, cursor));
      if (!found || !("body" in found)) return null;
      setList((before) => withPage(before, found.body, after));
      return found.body;
    },
    [props.status],
  );

  // What was scrolled to changes too: with each newest page one further down is brought up to date, in turn.
  const take = async (page: Page) => {
    setList((before) => withNewest(before, page, PAGE));
    const place = again.current ?? nextPlace(list, page, null);
    const further = place && (await bring(place));
    again.current = further ? nextPlace(list, further, place.after) : null;
  };
  const polled = usePolled<Page>(pathOf(props.status), LIST_EVERY_MS, (page) => void take(page));

  const more = useCallback(async () => {
    if (!list.next || loadingMore) return;
    setLoadingMore(true);
    await bring({ cursor: list.next, after: list.orders.at(-1) ?? null });
    setLoadingMore(false);
  }, [list, loadingMore, bring]);

  useEffect(() => {
    const watch = new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && void more(), {
      rootMargin: "600px",
    });
    if (end.current) watch.observe(end.current);
    return () => watch.disconnect();
  }, [more]);

  if (!polled.data && !list.orders.length) return <Skeleton lines={10} />;
  if (!list.orders.length && list.complete) {
    return (
      <div className="card">
        <Empty
          title={props.status ? words.noOrdersWith(words.statuses[props.status]) : words.noOrders}
          text={words.noOrdersText}
        />
      </div>
    );
  }
  return (
    <>
      {/* The roles say what a phone's layout, which is no table, would take away. */}
      <table className="orders" role="table">
        <caption className="hidden">{words.newest}</caption>
        <thead role="rowgroup">
          <tr role="row">
            <th role="columnheader" scope="col">{words.order}</th>
            <th role="columnheader" scope="col">{words.status}</th>
            <th role="columnheader" scope="col">{words.courier}</th>
            <th role="columnheader" scope="col">{words.city}</th>
            <th role="columnheader" scope="col" className="right">{words.total}</th>
            <th role="columnheader" scope="col" className="right">{words.registered}</th>
          </tr>
        </thead>
        <tbody role="rowgroup">
          {list.orders.map((order) => (
            <Row key={order.order_id} order={order} />
          ))}
        </tbody>
      </table>
      <div className="more" ref={end}>
        {list.next ? (
          <button type="button" disabled={loadingMore} onClick={() => void more()}>
            {loadingMore ? words.loading : words.loadMore}
          </button>
        ) : (
          <p className="quiet">{words.endOfList}</p>
        )}
        <p className="quiet">{words.listed(count(list.orders.length, language))}</p>
      </div>
    </>
  );
}

function Row(props: { order: Order }) {
  const { words, language } = useWords();
  const { order } = props;
  const isToday = Date.now() - Date.parse(order.registered_at) < 12 * 3600 * 1000;
  return (
    <tr role="row">
      <th role="rowheader" scope="row">
        <a href={addressOf("orders", order.order_id)}>{order.order_id}</a>
      </th>
      <td role="cell" className="cell-status">
        <StatusChip status={order.status} />
      </td>
      <td role="cell" className="cell-courier">{order.courier ?? <span className="quiet">{words.noCourier}</span>}</td>
      <td role="cell" className="cell-city">{order.city ?? ""}</td>
      <td role="cell" className="cell-total right">{order.total === null ? "" : money(order.total, language)}</td>
      <td role="cell" className="cell-time right quiet">
        <time dateTime={order.registered_at}>
          {isToday ? clock(order.registered_at, language) : dayAndClock(order.registered_at, language)}
        </time>
      </td>
    </tr>
  );
}
