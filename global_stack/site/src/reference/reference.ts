// The API's contract, to read and to try, by Swagger UI. A page of its own: the dashboard carries none of it.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import { apiBase } from "../apiBase.ts";
import "./reference.css";

const PATIENCE_MS = 12_000;
const BASE = apiBase(window.location);
const CONTRACT = `${BASE}/openapi.json`;

type Contract = { paths: Record<string, Record<string, object>> } & Record<string, unknown>;
type Props = { source?: string; description?: string };
type Component = (props: Props) => unknown;
type System = { React: { createElement: (kind: unknown, props: object | null, ...children: unknown[]) => unknown } };

const VERSION_1 = "Version 1";
const THE_REST = "Login, health and earlier clients";
const groupOf = (path: string) => (path.startsWith("/v1/") ? VERSION_1 : THE_REST);

/** Operations in groups, which the contract does not need. */
function grouped({ paths, ...contract }: Contract): Contract {
  const inGroups = Object.entries(paths).map(([path, methods]) => [
    path,
    Object.fromEntries(
      Object.entries(methods).map(([method, operation]) => [method, { tags: [groupOf(path)], ...operation }]),
    ),
  ]);
  return { ...contract, tags: [{ name: VERSION_1 }, { name: THE_REST }], paths: Object.fromEntries(inGroups) };
}

/** Texts as they are: Markdown would become HTML, which the page's policy forbids. And there is one server to ask. */
const plain = ({ React }: System) => ({
  components: {
    Markdown: ({ source }: Props) =>
      source ? React.createElement("p", { className: "plain" }, source.replaceAll(/<\/?i>|`/g, "")) : null,
    ServersContainer: () => null,
  },
  wrapComponents: {
    // A field's name stands beside it in the table, where no reader of screens finds it.
    JsonSchemaForm: (Form: Component) => (props: Props) =>
      React.createElement(
        "label", null,
        React.createElement("span", { className: "unseen" }, props.description ?? "value"), React.createElement(Form, props),
      ),
    TextArea: (Area: Component) => (props: Props) => React.createElement(Area, { "aria-label": "Body", ...props }),
    InfoContainer: (Info: Component) => (props: Props) =>
      React.createElement(
        "section", { "aria-label": "The API" },
        React.createElement(Info, props), React.createElement("h2", { className: "unseen" }, "Operations"),
      ),
  },
});

function place(): HTMLElement {
  const found = document.getElementById("reference");
  if (!found) throw new Error("the page has no place for the reference");
  return found;
}

async function show(): Promise<void> {
  place().setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(CONTRACT, { credentials: "omit", signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`it said ${answer.status}`);
    const contract = (await answer.json()) as Contract;
    SwaggerUI({
      domNode: place(),
      spec: { ...grouped(contract), servers: [{ url: BASE || window.location.origin }] },
      plugins: [plain],
      syntaxHighlight: false, // its colours are too pale to read
      docExpansion: "list",
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      validatorUrl: null,
    });
  } catch {
    tell();
  } finally {
    place().removeAttribute("aria-busy");
  }
}

function part(kind: string, text: string): HTMLElement {
  return Object.assign(document.createElement(kind), { textContent: text });
}

function tell(): void {
  const told = part("main", "");
  told.className = "told";
  const again = part("button", "Try again");
  again.addEventListener("click", () => void show());
  told.append(part("h1", "The API does not answer just now."), again);
  place().replaceChildren(told);
}

document.getElementById("contract")?.setAttribute("href", CONTRACT);
const dark = matchMedia("(prefers-color-scheme: dark)");
const followDevice = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followDevice);
followDevice();
void show();
