// The dashboard in a real browser, before the real lab. The pytest beside this file starts both and names these tests.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { LAB, STYLES, api, control, enter, launch, leave, logIn, look, open, register, visit } from "./browser.mjs";

const PROMISED_MS = 10_000;
// Where two are enough.
const BOTH_SIZES = [STYLES[0], STYLES[3]];
const RUN = Date.now().toString(36).toUpperCase();
// Where answers are replaced on their way, for states that a lab in use is not in.
const V1 = /\/v1\//;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** A visitor in each size and theme, all at once. */
function inEachStyle(bring, styles = STYLES) {
  return Promise.all(
    styles.map(async ([size, theme]) => {
      const visitor = await visit(browser, { size, theme });
      await bring(visitor);
      await leave(visitor);
    }),
  );
}

// These wait more than they work, and none looks at what another one does.
describe("side by side", { concurrency: true }, () => {
  test("a visitor is asked to log in, and a wrong password is refused in words", async () => {
    await inEachStyle(async (visitor) => {
      await visitor.page.getByLabel("Usuario").waitFor();
      await look(visitor, "login");
    });
    await inEachStyle(async (visitor) => {
      // Somebody else's: wrong tries count against a name, and other tests log in by this one.
      await logIn(visitor, { username: "nadie", password: "not the password" });
      await visitor.page.getByText("El usuario o la contraseña no son correctos.").waitFor();
      assert.equal(await visitor.page.getByLabel("Contraseña").inputValue(), "");
      await look(visitor, "login-refused");
    }, BOTH_SIZES);
  });

  test("the password is kept nowhere", async () => {
    const visitor = await enter(browser);
    const kept = await visitor.page.evaluate(() => JSON.stringify([{ ...sessionStorage }, { ...localStorage }]));
    assert.ok(kept.includes(LAB.account.username));
    assert.ok(!kept.includes(LAB.account.password));
    assert.ok(!(await visitor.page.content()).includes(LAB.account.password));
    await leave(visitor);
  });

  test("code from elsewhere is refused by the policy that comes with the page", async () => {
    const { page, context } = await visit(browser);
    await assert.rejects(page.evaluate(() => document.body.insertAdjacentHTML("beforeend", "<b>x</b>")), /TrustedHTML/);
    const broken = await page.evaluate(() => {
      const told = new Promise((tell) =>
        document.addEventListener("securitypolicyviolation", (event) => tell(event.effectiveDirective)),
      );
      void fetch("https://stranger.test/").catch(() => undefined);
      return told;
    });
    assert.equal(broken, "connect-src");
    await context.close();
  });

  test("the page speaks English at a click and remembers it", async () => {
    await inEachStyle(async (visitor) => {
      const { page } = visitor;
      await logIn(visitor);
      await page.locator(".freshness[data-tone=good]").waitFor();
      await page.getByRole("button", { name: "English" }).click();
      await page.getByRole("heading", { name: "Today", exact: true, level: 1 }).waitFor();
      assert.equal(await page.locator("html").getAttribute("lang"), "en");
      await look(visitor, "english");
      await page.reload();
      await page.getByRole("link", { name: "Operations" }).waitFor();
    }, BOTH_SIZES);
  });

  test("an expired token asks for the password again and loses neither the data nor the place", async () => {
    const asExpired = (route) =>
      route.continue({ headers: { ...route.request().headers(), authorization: `Bearer ${LAB.expired_token}` } });
    await register(`KEPT-${RUN}`, { status: "delivered" });
    await inEachStyle(async (visitor) => {
      const { page } = visitor;
      await logIn(visitor);
      await open(visitor, "Pedidos");
      await page.getByLabel("Entregado").check();
      const kept = page.getByRole("link", { name: `KEPT-${RUN}` });
      await kept.waitFor();
      await page.route(V1, asExpired); // as if half an hour had passed: the API sees a token that has run out
      await page.getByRole("dialog").getByText("Su sesión terminó").waitFor();
      await look(visitor, "expired");
      await page.unroute(V1, asExpired);
      assert.ok(await kept.isVisible());
      await page.getByLabel("Contraseña").fill(LAB.account.password);
      await page.keyboard.press("Enter");
      await page.getByRole("dialog").waitFor({ state: "detached" });
      assert.equal(new URL(page.url()).hash, "#/pedidos");
      assert.ok(await page.getByLabel("Entregado").isChecked());
      assert.ok(await kept.isVisible());
      await register(`LATER-${visitor.size}-${visitor.theme}-${RUN}`, { status: "delivered" });
      await page.getByRole("link", { name: `LATER-${visitor.size}-${visitor.theme}-${RUN}` }).waitFor();
    }, BOTH_SIZES);
  });

  test("loading, an empty day and a service that does not answer have a face of their own", async () => {
    const figures = await api("/v1/metrics");
    const none = Object.fromEntries(Object.keys(figures.orders_by_status).map((status) => [status, 0]));
    const emptyDay = { ...figures, orders_by_status: none, delivered: 0, sales: "0.00", conflicts: 0 };
    await inEachStyle(async (visitor) => {
      const { page } = visitor;
      await page.route(V1, () => undefined); // never answered
      await logIn(visitor);
      await page.locator(".skeleton").first().waitFor();
      await look(visitor, "loading");
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await page.route(/\/v1\/metrics/, (route) => route.fulfill({ json: emptyDay }));
      await page.reload();
      await page.getByText("Todavía no hay pedidos hoy").waitFor();
      await look(visitor, "empty");
      await page.unrouteAll({ behavior: "ignoreErrors" });
      await page.locator(".figure-sales .number").waitFor();
      await page.route(V1, (route) => route.abort());
      await page.locator(".notice").getByText("El servicio no responde en este momento.").waitFor();
      assert.ok(await page.locator(".figure-sales .number").isVisible(), "the figures stay");
      await look(visitor, "error");
    });
  });
});

test("the API is described on a page of its own, to read and to try", async () => {
  await inEachStyle(async (visitor) => {
    const { page } = visitor;
    const fetched = await page.evaluate(() => performance.getEntriesByType("resource").map((one) => one.name));
    assert.ok(fetched.length && !fetched.some((name) => name.includes("reference")), "the dashboard carries none of it");
    await page.getByRole("link", { name: "API para desarrolladores" }).click();
    await page.locator("h3", { hasText: "Version 1" }).waitFor({ timeout: 30_000 });
    const described = Object.values((await api("/openapi.json")).paths).flatMap((methods) => Object.keys(methods));
    assert.equal(await page.locator(".opblock").count(), described.length);
    await look(visitor, "reference");
    const login = page.locator(".opblock", { hasText: "/token" });
    await login.getByRole("button", { name: "Log in" }).click();
    await login.getByRole("button", { name: "Try it out" }).click();
    await login.locator("textarea").fill(JSON.stringify(LAB.account));
    await login.getByRole("button", { name: "Execute" }).click();
    await login.locator(".live-responses-table").getByText("access_token").waitFor();
    await page.evaluate(() => window.scrollTo(0, 0));
    await look(visitor, "reference-tried");
  }, [STYLES[1], STYLES[2]]);
});

test("the page of the API says so when the API does not answer, and asks again", async () => {
  await inEachStyle(async (visitor) => {
    const { page } = visitor;
    await page.route(/openapi/, (route) => route.abort());
    await page.goto(`${LAB.edge}/reference.html`);
    await page.getByText("The API does not answer just now.").waitFor();
    await look(visitor, "reference-silent");
    await page.unrouteAll({ behavior: "ignoreErrors" });
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator("h3", { hasText: "Version 1" }).waitFor({ timeout: 30_000 });
  }, BOTH_SIZES);
});

test("an order registered through the API shows on the page within ten seconds", async () => {
  const visitor = await enter(browser);
  await open(visitor, "Pedidos");
  const id = `SEEN-${RUN}`;
  await register(id, { status: "delivered" });
  const registered = Date.now();
  await visitor.page.getByRole("link", { name: id }).waitFor({ timeout: PROMISED_MS });
  assert.ok(Date.now() - registered < PROMISED_MS);
  await leave(visitor);
});

test("today's figures are those of the API and grow with an order", async () => {
  await register(`FIRST-${RUN}`, { status: "delivered" });
  const visitor = await enter(browser);
  const sales = visitor.page.locator(".figure-sales .number");
  const pesos = async () => Number((await sales.textContent()).replace(/\D/g, ""));
  await sales.waitFor();
  const known = await pesos();
  assert.ok(known >= 64_000);
  await register(`SALE-${RUN}`, { status: "delivered" });
  const deadline = Date.now() + PROMISED_MS;
  while ((await pesos()) < known + 64_000) {
    assert.ok(Date.now() < deadline, "the sale did not show");
    await new Promise((tell) => setTimeout(tell, 100));
  }
  const { sales: told, sales_by_hour: hours } = await api("/v1/metrics");
  assert.equal(await pesos(), Number(told));
  assert.equal(hours.map(Number).reduce((sum, hour) => sum + hour), Number(told));
  await visitor.page.getByText("Café Huila 500 g").waitFor();
  await visitor.page.getByText("Luis Ríos").waitFor();
  await leave(visitor);
});

test("the views are good to look at in every size and theme", async () => {
  const id = `LOOK-${RUN}`;
  await register(id, { status: "delivered" });
  await inEachStyle(async (visitor) => {
    const { page } = visitor;
    await logIn(visitor);
    await page.locator(".figure-sales .number").waitFor();
    await page.locator(".chart canvas").waitFor();
    await look(visitor, "today");
    await open(visitor, "Operación");
    await page.locator(".region[data-state=healthy]").nth(1).waitFor();
    await look(visitor, "operations");
    await open(visitor, "Pedidos");
    await page.getByRole("link", { name: id }).click();
    await page.getByRole("heading", { name: "Historia del pedido" }).waitFor();
    await look(visitor, "order");
  });
});

test("the list is endless, goes by status, and finds an order by its number", async () => {
  await Promise.all(Array.from({ length: 52 }, (_, number) => register(`MANY-${RUN}-${number}`, { status: "assigned" })));
  await inEachStyle(async (visitor) => {
    const { page } = visitor;
    await logIn(visitor);
    await open(visitor, "Pedidos");
    await page.getByLabel("Asignado").check();
    const rows = page.locator(".orders tbody tr");
    await rows.nth(45).waitFor();
    await page.mouse.wheel(0, 20_000);
    await rows.nth(51).waitFor();
    assert.deepEqual(new Set(await page.locator(".orders .chip").allTextContents()), new Set(["Asignado"]));
    await look(visitor, "orders");
    await page.getByLabel("Buscar por número de pedido").fill(`MANY-${RUN}-7`);
    await page.getByRole("button", { name: "Buscar" }).click();
    await page.getByRole("dialog").getByText("Recibido en").waitFor();
    await page.getByRole("button", { name: "Cerrar" }).click();
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByLabel("Buscar por número de pedido").fill("NOBODY");
    await page.getByRole("button", { name: "Buscar" }).click();
    await page.getByText("No existe un pedido con el número «NOBODY».").waitFor();
    await look(visitor, "order-unknown");
  }, BOTH_SIZES);
});

// The last one: it leaves a Region lost.
test("a Region is lost while the page is open, and nothing is lost on the page", async () => {
  const visitors = await Promise.all(STYLES.map(([size, theme]) => enter(browser, { size, theme })));
  const [first] = visitors;
  const known = `BEFORE-${RUN}`;
  await register(known);
  const before = await first.page.locator(".freshness").getAttribute("data-region");
  await open(first, "Pedidos");
  await first.page.getByRole("link", { name: known }).waitFor();
  await control("/fault", { kind: "region-loss", region: before, mode: "freeze" });
  await first.page.locator(".notice").waitFor({ timeout: 15_000 });
  const id = `AFTER-${RUN}`;
  await register(id);
  await first.page.getByRole("link", { name: id }).waitFor({ timeout: PROMISED_MS });
  assert.ok(await first.page.getByRole("link", { name: known }).isVisible(), "what was there still is");
  assert.notEqual(await first.page.locator(".freshness").getAttribute("data-region"), before);
  await Promise.all(
    visitors.map(async (visitor) => {
      await visitor.page.locator(".notice[data-tone=warn]").waitFor();
      await look(visitor, "failover");
      await open(visitor, "Operación");
      await visitor.page.getByText("Una sola región atiende todo el tráfico.").waitFor();
      await look(visitor, "failover-operations");
      await leave(visitor);
    }),
  );
});
