// What the API answers, as /openapi.json describes it. Money is exact text; times are RFC 3339.

export const STATUSES = ["created", "assigned", "in_transit", "failed", "delivered", "cancelled"] as const;
export type Status = (typeof STATUSES)[number];

export type Metrics = {
  day: string;
  orders_by_status: Record<Status, number>;
  delivered: number;
  sales: string;
  sales_by_hour?: string[]; // missing while an older version answers
  average_per_delivered_order: string;
  top_products: { product: string; units: number }[];
  top_couriers: { courier: string; delivered: number }[];
  conflicts: number;
  as_of: string;
  freshness_seconds: Record<string, number>;
};

export type Item = { product: string; price: string; quantity: number };

export type Order = {
  order_id: string;
  status: Status;
  attempt: number;
  courier: string | null;
  city: string | null;
  items: Item[];
  total: string | null;
  day: string;
  happened_at: string;
  registered_at: string;
  conflict: boolean;
};

export type OrderEvent = {
  event_id: string;
  status: Status;
  attempt: number;
  courier: string | null;
  note: string | null;
  occurred_at: string | null;
  recorded_at: string;
  origin_region: string;
};

export type History = Order & {
  events: OrderEvent[];
  effects: { event_id: string; kind: string; origin_region: string }[];
};

export type Page = { orders: Order[]; next_cursor: string | null };

export type RegionStatus = {
  healthy: boolean;
  drained: boolean;
  drained_by?: string;
  drained_since?: string | null;
  drained_because?: string;
  heartbeat_age_seconds: number | null;
  replication_lag_seconds: number | null;
  oldest_pending_seconds: number | null;
  dead_letters?: Record<string, number> | null;
  dead_letters_age_seconds?: number | null;
};

export type Drill = { drill: string; timing: string; region: string | null; passed: boolean; started_at: string };

export type ServiceStatus = {
  as_of: string;
  seen_from: string;
  regions: Record<string, RegionStatus>;
  last_drill?: Drill | null;
};
