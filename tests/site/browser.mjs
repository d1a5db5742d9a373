// A real Chromium with the page in it: how a person uses it, what nobody may see, and pictures of what is seen.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";
import sparticuz from "@sparticuz/chromium";
import { chromium } from "playwright-core";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const ARGUMENTS = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const SIZES = { phone: { width: 390, height: 844 }, wall: { width: 1920, height: 1080 } };

// Small and large, light and dark.
export const STYLES = [["phone", "light"], ["phone", "dark"], ["wall", "light"], ["wall", "dark"]];
export const LAB = JSON.parse(process.env.RELEVO_LAB);

/** One browser; CHROMIUM names another one than npm's where that does not run. */
export async function launch() {
  const executablePath = process.env.CHROMIUM ?? (await sparticuz.executablePath());
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/**
 * A visitor with a fresh profile, who notices requests to strangers, refused code, and errors of the page. What
 * `prepare` does to the browser is done before the page is asked for.
 */
export async function visit(browser, { size = "wall", theme = "light", prepare } = {}) {
  const context = await browser.newContext({
    viewport: SIZES[size], colorScheme: theme, hasTouch: size === "phone", isMobile: size === "phone",
    locale: "es-CO", reducedMotion: "reduce",
  });
  context.setDefaultTimeout(15_000);
  await prepare?.(context);
  const page = await context.newPage();
  const visitor = { context, page, size, theme, strangers: [], faults: [] };
  page.on("request", (request) => {
    if (!request.url().startsWith(`${LAB.edge}/`)) visitor.strangers.push(request.url());
  });
  page.on("pageerror", (error) => visitor.faults.push(error.message));
  page.on("console", (message) => {
    // What the network says of a status is expected where a test makes it happen.
    const expected = message.text().startsWith("Failed to load resource");
    if (message.type() === "error" && !expected) visitor.faults.push(message.text());
  });
  await page.goto(LAB.edge);
  return visitor;
}

// One at a time: of one name from one address the API takes five tries at once, and more are refused as guesses.
let turn = Promise.resolve();

export async function logIn({ page }, { username = LAB.account.username, password = LAB.account.password } = {}) {
  await page.getByLabel("Usuario").fill(username);
  await page.getByLabel("Contraseña").fill(password);
  const answered = new Promise((done) => {
    const seen = (request) => {
      if (request.url().endsWith("/token")) done();
    };
    page.on("requestfinished", seen);
    page.on("requestfailed", seen);
  });
  const mine = turn.then(() => page.getByRole("button", { name: "Entrar" }).click()).then(() => answered);
  turn = mine.catch(() => undefined);
  await mine;
}

export async function enter(browser, options = {}) {
  const visitor = await visit(browser, options);
  await logIn(visitor);
  await visitor.page.locator(".freshness[data-tone=good]").waitFor();
  return visitor;
}

export async function open({ page }, view) {
  await page.getByRole("navigation").getByRole("link", { name: view }).click();
  await page.getByRole("heading", { level: 1, name: view }).waitFor();
}

/** A picture of this state, and what axe finds wrong with it: nothing. */
export async function look(visitor, state) {
  const { page, size, theme } = visitor;
  mkdirSync(LAB.out, { recursive: true });
  await page.screenshot({ path: `${LAB.out}/${state}-${size}-${theme}.png` });
  const devtools = await page.context().newCDPSession(page); // not bound by the page's own policy
  await devtools.send("Runtime.evaluate", { expression: AXE });
  const judged = await devtools.send("Runtime.evaluate", {
    expression: "axe.run().then((found) => found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html)}`))",
    awaitPromise: true, returnByValue: true,
  });
  await devtools.detach();
  assert.deepEqual(judged.result.value, [], `axe, ${state} on a ${size}, ${theme}`);
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(wider <= 0, `${state} on a ${size} is ${wider} px wider than the screen`);
}

/** The visit is over: nobody else was asked, and nothing was refused by the policy or failed. */
export async function leave({ context, strangers, faults }) {
  await context.close();
  assert.deepEqual(strangers, [], "requests to other origins");
  assert.deepEqual(faults, [], "errors of the page");
}

let token = null;

/** The API as any client uses it. */
export async function api(path, body) {
  if (token === null && path !== "/token") token = (await api("/token", LAB.account)).access_token;
  const answer = await fetch(LAB.edge + path, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
    signal: AbortSignal.timeout(20_000),
  });
  const content = await answer.json();
  assert.ok(answer.ok, `${path}: ${answer.status} ${JSON.stringify(content)}`);
  return content;
}

/** Register an order; tries again while a Region is being lost, as clients do: its id makes that safe. */
export async function register(orderId, more = {}) {
  const items = [{ product: "Café Huila 500 g", price: "32000", quantity: 2 }];
  for (const last of [false, false, false, true]) {
    try {
      return await api("/v1/orders", { order_id: orderId, courier: "Luis Ríos", city: "Cali", items, ...more });
    } catch (error) {
      if (last) throw error;
    }
  }
}

export async function control(path, body) {
  const answer = await fetch(LAB.control + path, { method: "POST", body: JSON.stringify(body) });
  assert.ok(answer.ok, await answer.text());
}
