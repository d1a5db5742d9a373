// What the page says in states that a healthy lab is not in. The pytest beside this file brings the API's documents.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { LAB, STYLES, enter, launch, leave, look, open } from "./browser.mjs";

const ENGLISH = STYLES[0];

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** The page's own files, and for the API what it answers in a state; at one moment, so that ages are known. */
function inState(state) {
  const documents = LAB.states[state];
  return async (context) => {
    await context.clock.setFixedTime(new Date(LAB.now));
    await context.route(`${LAB.edge}/**`, (route) => {
      const { pathname, search } = new URL(route.request().url());
      const json = documents[pathname + search] ?? documents[pathname];
      if (json) return route.fulfill({ json, headers: { "X-Region": "us-east-1" } });
      return route.fulfill({ path: join(LAB.page, pathname === "/" ? "index.html" : pathname) });
    });
  };
}

/** A visitor who is in, in each size and theme, one after the other: pictures are taken of a page at rest. */
async function inEachStyle(state, bring) {
  for (const [size, theme] of STYLES) {
    const visitor = await enter(browser, { size, theme, prepare: inState(state) });
    await bring(visitor);
    await leave(visitor);
  }
}

/** What is read, with the spaces that a reader takes them for. */
const said = async (found) => (await found.innerText()).replace(/\s+/g, " ").trim();
const allSaid = async (found) => Promise.all((await found.all()).map(said));

/** A Region's card: its state, and each measure by its name, with a mark where it is shown as bad. */
async function card(page, region) {
  const found = page.locator(`[aria-labelledby=region-${region}]`);
  const measures = {};
  for (const one of await found.locator(".measures > div").all()) {
    const bad = (await one.getAttribute("data-tone")) === "bad" ? " !" : "";
    measures[await said(one.locator("dt"))] = (await said(one.locator("dd"))) + bad;
  }
  return { state: await said(found.locator(".state")), ...measures };
}

test("a day's figures are told with what they are compared to", async () => {
  await inEachStyle("a good day", async (visitor) => {
    const { page } = visitor;
    await page.locator(".versus").waitFor();
    await page.locator(".chart canvas").waitFor();
    assert.deepEqual(await allSaid(page.locator(".figure")), [
      "Ventas de hoy $ 7.050.000 +18% frente a ayer a las 15:00 Ayer, en todo el día: $ 7.652.000",
      "Entregados 125 de 305 pedidos con movimiento hoy",
      "Promedio por pedido $ 56.400 solo pedidos entregados",
    ]);
    assert.equal(await page.locator(".versus").getAttribute("data-tone"), "up");
    assert.deepEqual(await allSaid(page.locator(".statuses li")), [
      "Creado 38", "Asignado 57", "En camino 64", "Intento fallido 9", "Entregado 125", "Cancelado 12",
    ]);
    assert.equal(await said(page.locator(".conflicts")), "2 pedidos con datos contradictorios");
    assert.deepEqual((await allSaid(page.locator(".top-products li"))).at(-1), "Bocadillo veleño 1 unidad");
    assert.deepEqual(await allSaid(page.locator(".top-couriers li")), [
      "Luis Ríos 41 entregas", "Ana María Gutiérrez de Piñeres 38 entregas", "Zulma Perdomo 1 entrega",
    ]);
    await look(visitor, "state-today");
  });
});

test("a worse day than yesterday is told as one", async () => {
  const visitor = await enter(browser, { size: "phone", prepare: inState("a worse day") });
  const { page } = visitor;
  await page.locator(".versus").waitFor();
  assert.equal(await said(page.locator(".versus")), "-41% frente a ayer a las 15:00");
  assert.equal(await page.locator(".versus").getAttribute("data-tone"), "down");
  assert.equal(await said(page.locator(".conflicts")), "1 pedido con datos contradictorios");
  await leave(visitor);
});

test("replication that lags, work that waits and messages set aside are told where they are", async () => {
  await inEachStyle("late", async (visitor) => {
    const { page } = visitor;
    await open(visitor, "Operación");
    const title = "Los pedidos recibidos en Ohio llegan con 4 min de retraso.";
    await page.locator(".notice[data-tone=warn]").getByText(title).waitFor();
    assert.deepEqual(await card(page, "us-east-1"), {
      state: "En servicio",
      "Última señal de vida": "hace 4 s",
      "Retraso de replicación": "–",
      "Retraso de sus pedidos en pantalla": "0,4 s",
      "Trabajo pendiente más antiguo": "3 min !",
      "Mensajes apartados":
        "1.210 Creado: 2, Entregado: 1, Flujo de cambios: 4, Avisos a sistemas clientes: 1.200, "
        + "Archivos de pedidos: 3 !",
    });
    assert.deepEqual(await card(page, "us-east-2"), {
      state: "En servicio",
      "Última señal de vida": "hace 4 min !",
      "Retraso de replicación": "4 min !",
      "Retraso de sus pedidos en pantalla": "4 min !",
      "Trabajo pendiente más antiguo": "1 h !",
      "Mensajes apartados": "Nada contados hace 12 s",
    });
    assert.equal(
      await said(page.locator(".drill-line")),
      "Se cumplieron todas las promesas Crecimiento y pérdida de una región · Virginia · 20 de nov, 9:05:09 a. m. · tiempos reales",
    );
    await look(visitor, "state-late");
  });
});

test("a Region that somebody drained is told with who, why and for how long, and a drill that failed is red", async () => {
  await inEachStyle("drained", async (visitor) => {
    const { page } = visitor;
    await open(visitor, "Operación");
    await page.locator(".region[data-state=drained]").waitFor();
    assert.equal(await said(page.locator(".view-head .quiet")), "Una sola región atiende todo el tráfico.");
    assert.equal(await said(page.locator(".drained")), "Drenada por marta hace 42 min: mantenimiento de la red de Ohio");
    const { state, "Trabajo pendiente más antiguo": pending } = await card(page, "us-east-2");
    assert.deepEqual([state, pending], ["Sin tráfico (drenada)", "7 s"]);
    assert.equal(await page.locator(".drill-line").getAttribute("data-tone"), "bad");
    assert.match(await said(page.locator(".drill-line")), /^No se cumplió alguna promesa Evacuación .* Ohio .* acelerados$/);
    await look(visitor, "state-drained");
  });
});

test("a Region that was found lost says so, and that nothing is known of what waits in it", async () => {
  await inEachStyle("lost", async (visitor) => {
    const { page } = visitor;
    await open(visitor, "Operación");
    await page.locator(".drained").waitFor();
    assert.equal(
      await said(page.locator(".drained")),
      "Drenada por el vigilante automático de Virginia hace 8 min: sin respuesta y sin señal de vida",
    );
    const { state, "Mensajes apartados": letters, "Última señal de vida": beat } = await card(page, "us-east-2");
    assert.deepEqual([state, letters, beat], ["No responde", "Sin datos", "hace 9 min !"]);
    await page.getByText("Aquí no consta ningún simulacro.").waitFor();
    await look(visitor, "state-lost");
  });
});

test("an order's history is told in order of time, with its conflict and what still waits", async () => {
  await inEachStyle("orders", async (visitor) => {
    const { page } = visitor;
    await open(visitor, "Pedidos");
    await page.locator(".orders tbody tr").nth(6).waitFor();
    assert.equal(new Set(await page.locator(".orders .chip").allTextContents()).size, 6);
    await look(visitor, "state-orders");
    await page.getByLabel("Buscar por número de pedido").fill("CE-2026-000412");
    await page.keyboard.press("Enter");
    await page.locator(".timeline li").nth(6).waitFor();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("Este pedido tiene datos que se contradicen.").waitFor();
    const steps = await allSaid(dialog.locator(".timeline li"));
    assert.deepEqual(steps.map((step) => step.split(/ \d+ de /)[0]), [
      "Creado", "Asignado", "En camino", "Intento fallido", "En camino · Intento 2", "Cancelado", "Entregado · Intento 2",
    ]);
    assert.match(steps[3], /10:12:00 a\. m\. Luis Ríos “nadie en la portería” Recibido en Ohio · Procesado$/);
    assert.match(steps[6], /“entregado a doña Rosa” Recibido en Virginia · Por procesar$/);
    assert.deepEqual(await allSaid(dialog.locator(".lines li")), ["2 × Café Huila 500 g $ 64.000", "Panela orgánica $ 4.500"]);
    await look(visitor, "state-order");
  });
});

test("what is told in Spanish is told in English too", async () => {
  const [size, theme] = ENGLISH;
  const visitor = await enter(browser, { size, theme, prepare: inState("drained") });
  const { page } = visitor;
  await page.getByRole("button", { name: "English" }).click();
  await open(visitor, "Operations");
  assert.match(await said(page.locator(".drained")), /marta.* 42 min.*: mantenimiento de la red de Ohio$/);
  assert.match(await said(page.locator(".drill-line")), /^A promise was broken Evacuation of a Region · Ohio/);
  await look(visitor, "state-english");
  await leave(visitor);
});
