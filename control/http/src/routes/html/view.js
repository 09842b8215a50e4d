// A page for people over any document of the API: links to follow, actions to run, fields to change. What can be done
// is read from the schemas of whoever looks. Texts of documents only ever become text nodes, so none of them can run.
"use strict";

const answer = JSON.parse(document.getElementById("answer").textContent);
const schemasUrl = document.body.dataset.schemas;
const main = document.querySelector("main");
const numbers = new Set(["int", "float"]);

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== undefined && value !== null) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

function isUrl(text) {
  return typeof text === "string" && /^https?:\/\//.test(text) && !text.includes(" ");
}

/** A value as a tree; what leads somewhere is a link. */
function tree(value, depth = 0) {
  if (isUrl(value)) return element("a", { href: value }, value);
  if (value === null || typeof value !== "object") {
    return element("span", { class: value === null ? "muted" : null }, JSON.stringify(value));
  }
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  if (entries.length === 0) return element("span", { class: "muted" }, Array.isArray(value) ? "[]" : "{}");
  const rows = entries.map(([key, item]) =>
    element("tr", {}, element("th", { class: "key" }, String(key)), element("td", {}, tree(item, depth + 1))));
  const table = element("table", { class: "tree" }, ...rows);
  if (depth < 2) return table;
  const title = Array.isArray(value) ? `${entries.length} items` : `${entries.length} members`;
  return element("details", {}, element("summary", {}, title), table);
}

async function call(method, url, body) {
  const headers = { Accept: "application/json" };
  const guard = document.cookie.split("; ").find((pair) => pair.startsWith("CSRF="));
  if (guard) headers["X-API-CSRF"] = guard.slice(5);
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const reply = await fetch(url, {
    method, headers, credentials: "same-origin", body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await reply.text();
  let document = null;
  try { document = text ? JSON.parse(text) : null; } catch { document = { text }; }
  return { ok: reply.ok, status: reply.status, document };
}

function input(name, field, value) {
  const kind = field.type;
  if (kind === "boolean") {
    return element("select", { name }, ...["", "true", "false"].map((option) =>
      element("option", { value: option, selected: String(value ?? "") === option ? "" : null }, option)));
  }
  if (kind === "enum" && field.options) {
    return element("select", { name }, ...["", ...field.options].map((option) =>
      element("option", { value: option, selected: (value ?? "") === option ? "" : null }, option)));
  }
  if (numbers.has(kind)) return element("input", { name, type: "number", step: "any", value });
  if (kind === "password") return element("input", { name, type: "password", autocomplete: "off" });
  const plain = ["string", "masked", "date", "base64"].includes(kind) || kind.startsWith("reference[");
  if (plain) return element("input", { name, value });
  const text = kind === "blob" || value === null || value === undefined ? value : JSON.stringify(value, null, 1);
  return element("textarea", { name, placeholder: kind }, text ?? "");
}

function read(form, fields) {
  const body = {};
  for (const [name, field] of fields) {
    const text = form.elements[name].value;
    if (text === "") continue;
    const kind = field.type;
    if (kind === "boolean") body[name] = text === "true";
    else if (numbers.has(kind)) body[name] = Number(text);
    else if (["string", "masked", "password", "date", "base64", "blob", "enum"].includes(kind)) body[name] = text;
    else if (kind.startsWith("reference[")) body[name] = text;
    else {
      try { body[name] = JSON.parse(text); } catch { throw new Error(`${name} is no JSON of the type ${kind}`); }
    }
  }
  return body;
}

/** A form for an input; `send` gets the body and answers with what came of it. */
function form(title, fields, values, send) {
  const outcome = element("div", {});
  const made = element("form", {
    onsubmit: async (event) => {
      event.preventDefault();
      outcome.replaceChildren("…");
      try {
        const { ok, status, document } = await send(read(made, fields));
        outcome.replaceChildren(element("p", { class: ok ? null : "error" }, `Answer ${status}`), tree(document));
      } catch (problem) {
        outcome.replaceChildren(element("p", { class: "error" }, String(problem.message ?? problem)));
      }
    },
  }, element("h2", {}, title), ...fields.map(([name, field]) =>
    element("label", {}, element("span", {}, field.required ? `${name} *` : name), input(name, field, values[name]))),
  element("p", {}, element("button", {}, "Send")), outcome);
  return made;
}

function writable(schema, right) {
  return Object.entries(schema?.resourceFields ?? {}).filter(([, field]) => field[right]);
}

function showOnce(tools, holder, label, make) {
  tools.append(element("button", { onclick: () => holder.replaceChildren(make()) }, label));
}

function resource(document, schemas, tools, holder) {
  const schema = schemas[document.type];
  if (!document.links?.self) return;
  for (const [name, url] of Object.entries(document.actions ?? document.actionLinks ?? {})) {
    const wanted = schemas[schema?.resourceActions?.[name]?.input];
    showOnce(tools, holder, name, () => form(name, writable(wanted, "create"), {}, (body) => call("POST", url, body)));
  }
  const changes = writable(schema, "update");
  if (schema?.resourceMethods.includes("PUT") && changes.length > 0) {
    showOnce(tools, holder, "Edit", () =>
      form("Edit", changes, document, (body) => call("PUT", document.links.self, body)));
  }
  if (schema?.resourceMethods.includes("DELETE")) {
    showOnce(tools, holder, "Delete", () => form("Delete", [], {}, () => call("DELETE", document.links.self)));
  }
}

function collection(document, schemas, tools, holder) {
  for (const [type, url] of Object.entries(document.createTypes ?? {})) {
    showOnce(tools, holder, `Create ${type}`, () =>
      form(`Create ${type}`, writable(schemas[type], "create"), document.createDefaults ?? {}, (body) => call("POST", url, body)));
  }
  const filters = schemas[document.resourceType]?.collectionFilters ?? {};
  if (Object.keys(filters).length > 0) {
    showOnce(tools, holder, "Filter and sort", () => {
      const names = Object.entries(filters).flatMap(([name, { modifiers }]) =>
        modifiers.map((modifier) => (modifier === "eq" ? name : `${name}_${modifier}`)));
      const pick = (name, options) =>
        element("select", { name }, element("option", { value: "" }, ""), ...options.map((option) => element("option", {}, option)));
      return element("form", {
        onsubmit: (event) => {
          event.preventDefault();
          const given = event.target.elements;
          const url = new URL(location.href);
          url.searchParams.delete("marker");
          if (given.filter.value) url.searchParams.append(given.filter.value, given.value.value);
          if (given.sort.value) url.searchParams.set("sort", given.sort.value);
          if (given.order.value) url.searchParams.set("order", given.order.value);
          location.assign(url);
        },
      }, element("label", {}, "filter", pick("filter", names)), element("label", {}, "value", element("input", { name: "value" })),
      element("label", {}, "sort", pick("sort", Object.keys(filters))), element("label", {}, "order", pick("order", ["asc", "desc"])),
      element("p", {}, element("button", {}, "Show")));
    });
  }
  const next = document.pagination?.next;
  if (next) tools.append(element("a", { href: next }, "Next page"));
}

async function start() {
  const tools = element("div", { class: "tools" });
  const holder = element("div", {});
  main.replaceChildren(tools, holder, tree(answer));
  const { ok, document } = await call("GET", schemasUrl);
  if (!ok) return;
  const schemas = Object.fromEntries(document.data.map((schema) => [schema.id, schema]));
  if (answer.type === "collection") collection(answer, schemas, tools, holder);
  else resource(answer, schemas, tools, holder);
}

start().catch((problem) => main.prepend(element("p", { class: "error" }, String(problem))));
