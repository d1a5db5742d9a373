// One line of JSON for each test: its name, how long it took, and what went wrong.
import { inspect, stripVTControlCharacters } from "node:util";

export default async function* report(events) {
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    const error = data.details.error;
    const trouble = error ? stripVTControlCharacters(inspect(error.cause ?? error)) : "";
    yield `${JSON.stringify({ name: data.name, seconds: data.details.duration_ms / 1000, trouble })}\n`;
  }
}
