import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { parseConfig, readConfig } from "../../src/session/read-config.ts";
import { checkSession, sessionJsonSchema } from "../../src/session/schema.ts";

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function file(text: string, name = "session.yaml"): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sluice-schema-"));
  folders.push(folder);
  await writeFile(join(folder, name), text);
  return join(folder, name);
}

/** Mistakes as lines, for a session of the given parts. */
function mistakes(parts: object): string[] {
  return checkSession({ session: "s", ...parts }).mistakes.map(({ path, message }) => `${path}: ${message}`);
}

describe("The structure of a session file", () => {
  it("fills in what is left out", () => {
    const { config } = checkSession({ session: "s", storage: {} });
    expect(config).toEqual({
      session: "s",
      metadata: {},
      plugins: [],
      backends: {},
      storage: { filenameProvider: "session", writers: { default: { use: "zarr" } } },
      devices: {},
    });
  });

  const storage = {};
  const cases: [what: string, parts: object, expected: string[]][] = [
    ["an unknown key, with a suggestion", { devises: {} }, ['devises: unknown key, did you mean "devices"?']],
    [
      "an unknown key near nothing",
      { storage: { zzzzzzzzz: 1 } },
      ["storage.zzzzzzzzz: unknown key; known: basePath, filenameProvider, filename, writers"],
    ],
    ["a missing name", { session: undefined }, ["session: missing, expected string"]],
    ["a wrong kind", { devices: [] }, ["devices: expected object, got array"]],
    ["a device without use", { devices: { cam: {} } }, ["devices.cam.use: missing, expected string"]],
    [
      "essential that is no boolean",
      { devices: { cam: { use: "x", essential: "no" } } },
      ["devices.cam.essential: expected boolean, got string"],
    ],
    [
      "a device name with a dot",
      { devices: { "a.b": { use: "x" } } },
      ["devices.a.b: a name begins with a letter or digit, then letters, digits, _ and -"],
    ],
    [
      "a mistyped provider",
      { storage: { filenameProvider: "sesion" } },
      [
        'storage.filenameProvider: expected one of "session", "auto_increment", "uuid", "static", did you mean "session"?',
      ],
    ],
    [
      "static without a filename",
      { storage: { filenameProvider: "static" } },
      ["storage.filename: missing: the static provider needs it"],
    ],
    [
      "a group that is not there",
      { storage, devices: { cam: { use: "x", writer: "fast" } } },
      ["devices.cam.writer: no such group in storage.writers; there are: default"],
    ],
    [
      "a group without storage",
      { devices: { cam: { use: "x", writer: "fast" } } },
      ["devices.cam.writer: there is no storage section"],
    ],
    ["another plan", { plan: { use: "cont", num: 1 } }, ['plan.use: expected "count", got string']],
    ["half a frame", { plan: { use: "count", num: 1.5 } }, ["plan.num: expected whole number, got number"]],
    ["no frames", { plan: { use: "count", num: 0 } }, ["plan.num: expected at least 1"]],
    ["a plugin that is no name", { plugins: [1] }, ["plugins[0]: expected string, got number"]],
    [
      "metadata that documents do not take",
      { metadata: { a: { "b.c": 1 } } },
      ["metadata.a.b.c: a metadata key has no dots and no slashes"],
    ],
    ["metadata of the run itself", { metadata: { uid: "x" } }, ["metadata.uid: belongs to the run itself"]],
    ["a folder as session name", { session: "a/b" }, ["session: a session name is a folder name: no slashes"]],
    ["the folder above as session name", { session: ".." }, ["session: a session name is a folder name: no slashes"]],
  ];
  it.each(cases)("refuses %s", (_, parts, expected) => {
    expect(mistakes(parts)).toEqual(expected);
  });

  it("reports every mistake, each with its path", () => {
    expect(
      mistakes({ devises: {}, plan: { use: "count", num: "3" }, storage: { writers: { a: { use: 1 } } } }),
    ).toEqual([
      "storage.writers.a.use: expected string, got number",
      "plan.num: expected number, got string",
      'devises: unknown key, did you mean "devices"?',
    ]);
  });

  it("refuses __proto__ instead of dropping it", () => {
    const value = parseConfig('{"session": "s", "devices": {"__proto__": {"use": "x"}}}', "x.json");
    expect(checkSession(value).mistakes).toEqual([{ path: "devices.__proto__", message: "this key is not allowed" }]);
  });

  it("never repeats a value, only its kind", () => {
    const secret = "hunter2-hunter2";
    const found = checkSession({
      session: `${secret}/`,
      storage: { filenameProvider: secret, basePath: [secret] },
      plan: { use: secret, num: secret },
      metadata: { a: () => secret },
      devices: { cam: secret, stage: { use: "x", writer: secret } },
    });
    expect(found.mistakes.length).toBeGreaterThan(5);
    expect(JSON.stringify(found.mistakes)).not.toContain(secret);
  });
});

describe("The text of a session file", () => {
  it("may be YAML or JSON", async () => {
    const expected = { session: "s", plan: { use: "count", num: 3 } };
    expect(await readConfig(await file("session: s\nplan: {use: count, num: 3}\n"))).toEqual(expected);
    expect(await readConfig(await file(JSON.stringify(expected), "s.json"))).toEqual(expected);
  });

  it("reports syntax mistakes with line and column, all of them", () => {
    expect(() => parseConfig("session: s\ndevices: {a: 1\nplan: [\n", "s.yaml")).toThrow(
      /s\.yaml has \d mistakes?:\n {2}line \d+, column \d+: /,
    );
    expect(() => parseConfig("a: 1\na: 2\n", "s.yaml")).toThrow("line 2, column 1: Map keys must be unique");
  });

  it("runs nothing: tags of other languages are refused", () => {
    expect(() => parseConfig("session: !!js/function 'function(){}'\n", "s.yaml")).toThrow(/line 1, column 10: .*tag/i);
    expect(() => parseConfig("session: !env SECRET\n", "s.yaml")).toThrow(/line 1, column 10: .*tag/i);
  });

  it("reads dollar signs and dates as plain text", () => {
    expect(parseConfig("a: $" + "{HOME}\nb: $HOME\nc: 2026-01-01\nd: !!str 1", "s.yaml")).toEqual({
      a: "$" + "{HOME}",
      b: "$HOME",
      c: "2026-01-01",
      d: "1",
    });
  });

  it("stops at aliases that explode", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"];
    for (let i = 1; i < 9; i++)
      lines.push(
        `a${i}: &a${i} [${Array(9)
          .fill(`*a${i - 1}`)
          .join(", ")}]`,
      );
    expect(() => parseConfig(lines.join("\n"), "s.yaml")).toThrow(/alias/i);
  });

  it("does not repeat source lines in messages", () => {
    const text = "password: hunter2\npassword: {hunter2\n";
    let message = "";
    try {
      parseConfig(text, "s.yaml");
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain("line 2");
    expect(message).not.toContain("hunter2");
  });

  it("says that there is no file", async () => {
    await expect(readConfig("/nowhere/s.yaml")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(readConfig(tmpdir())).rejects.toMatchObject({ code: "IS_A_DIRECTORY" });
  });
});

describe("The JSON Schema for editors", () => {
  it("is the current one (npm run schema writes it)", async () => {
    const stored = await readFile(new URL("../../session.schema.json", import.meta.url), "utf8");
    expect(JSON.parse(stored)).toEqual(sessionJsonSchema());
  });

  it("closes what is closed and leaves options open", () => {
    const schema = sessionJsonSchema() as {
      additionalProperties: boolean;
      required: string[];
      properties: { devices: { additionalProperties: { additionalProperties: unknown } } };
    };
    expect(schema.additionalProperties).toBe(false);
    expect(schema.required).toEqual(["session"]);
    expect(schema.properties.devices.additionalProperties.additionalProperties).not.toBe(false);
  });
});
