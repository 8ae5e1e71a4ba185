/** SQLite that comes with Node 22.13 and newer. */
import { pathToFileURL } from "node:url";
import type { SqliteRow, SqliteValue } from "./driver.ts";
import type { NativeConnection, NativeLibrary } from "./native.ts";

/** What is used of `node:sqlite`; the types of the oldest Node that is supported do not have it. */
interface NodeSqlite {
  readonly DatabaseSync: new (path: string | URL, options?: { readonly readOnly?: boolean }) => DatabaseSync;
}

interface DatabaseSync {
  exec(sql: string): void;
  prepare(sql: string): StatementSync;
  close(): void;
}

interface StatementSync {
  run(...params: readonly SqliteValue[]): { changes: number | bigint; lastInsertRowid: number | bigint };
  all(...params: readonly SqliteValue[]): SqliteRow[];
  iterate(...params: readonly SqliteValue[]): IterableIterator<SqliteRow>;
}

/** The library of this Node; `undefined` where it has none. */
export function nodeSqlite(): NativeLibrary | undefined {
  // Not by import(): bundlers and older Nodes refuse the name before anybody can ask whether it is there.
  const found = process.getBuiltinModule?.("node:sqlite") as NodeSqlite | undefined;
  if (found === undefined) return undefined;
  const { DatabaseSync } = found;
  return {
    name: "node:sqlite",
    open: (path, readOnly) => connection(new DatabaseSync(path, { readOnly })),
    openImmutable: async (path) => {
      const url = pathToFileURL(path);
      url.search = "?immutable=1";
      return connection(new DatabaseSync(url, { readOnly: true }));
    },
  };
}

function connection(database: DatabaseSync): NativeConnection {
  return {
    exec: (sql) => database.exec(sql),
    prepare: (sql) => {
      const prepared = database.prepare(sql);
      return {
        run: (params) => {
          const { changes, lastInsertRowid } = prepared.run(...params);
          return { changes: Number(changes), lastInsertRowid: Number(lastInsertRowid) };
        },
        all: (params) => prepared.all(...params),
        iterate: (params) => prepared.iterate(...params),
      };
    },
    close: () => database.close(),
  };
}
