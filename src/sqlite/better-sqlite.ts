/** SQLite by better-sqlite3. Loaded by `import()` only: it is heavy, and need not be installed. */
import { readFile } from "node:fs/promises";
import Database from "better-sqlite3";
import type { SqliteRow } from "./driver.ts";
import type { NativeConnection, NativeLibrary, NativeStatement } from "./native.ts";

/** The library as a package. */
export const betterSqlite: NativeLibrary = {
  name: "better-sqlite3",
  open: (path, readOnly) => connection(new Database(path, { readonly: readOnly, timeout: 0 })),
  // It takes no URI, and so no `immutable=1`. A copy in memory can be told that it has no log beside it.
  openImmutable: async (path) => {
    const bytes = await readFile(path);
    if (bytes.length >= 20) bytes.fill(1, 18, 20);
    return connection(new Database(bytes, { readonly: true }));
  },
};

// The binding is loaded by the first database, not by the import: what is not built must fail here.
new Database(":memory:").close();

function connection(database: Database.Database): NativeConnection {
  return {
    exec: (sql) => void database.exec(sql),
    prepare: (sql) => statement(database.prepare(sql)),
    close: () => void database.close(),
  };
}

function statement(prepared: Database.Statement<unknown[]>): NativeStatement {
  // A statement is asked for rows only if it has some, and is run only if it has none.
  if (prepared.reader) {
    return {
      run: (params) => {
        prepared.all(...params);
        return { changes: 0, lastInsertRowid: 0 };
      },
      all: (params) => prepared.all(...params) as SqliteRow[],
      iterate: (params) => prepared.iterate(...params) as IterableIterator<SqliteRow>,
    };
  }
  const run: NativeStatement["run"] = (params) => {
    const { changes, lastInsertRowid } = prepared.run(...params);
    return { changes, lastInsertRowid: Number(lastInsertRowid) };
  };
  return {
    run,
    all: (params) => {
      run(params);
      return [];
    },
    iterate: (params) => {
      run(params);
      return [][Symbol.iterator]();
    },
  };
}
