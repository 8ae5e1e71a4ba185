/** Beamtime files as resonance writes them, of its versions 1 and 2, with rows in each table. */
import { openSqlite } from "../../src/sqlite/open.ts";

/**
 * Makes one. Two samples of one name, two runs (the second unfinished), a stream, an event and a reference to an image.
 * The metadata has a NaN, as Python's `json` writes it.
 */
export async function oldBeamtime(path: string, version: number): Promise<void> {
  const driver = await openSqlite(path);
  driver.exec(`
    CREATE TABLE samples (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, formula TEXT, serial TEXT,
      tags TEXT, beamline_pos TEXT, extra TEXT);
    CREATE INDEX idx_samples_name ON samples(name);
    CREATE TABLE runs (uid TEXT PRIMARY KEY, sample_id INTEGER, plan_name TEXT NOT NULL, time_start REAL NOT NULL,
      time_stop REAL, exit_status TEXT, num_events INTEGER DEFAULT 0, operator TEXT, metadata TEXT,
      FOREIGN KEY (sample_id) REFERENCES samples(id) ON DELETE SET NULL);
    CREATE TABLE streams (uid TEXT PRIMARY KEY, run_uid TEXT NOT NULL, name TEXT NOT NULL, data_keys TEXT NOT NULL,
      time_created REAL, UNIQUE(run_uid, name), FOREIGN KEY (run_uid) REFERENCES runs(uid) ON DELETE CASCADE);
    CREATE TABLE events (uid TEXT PRIMARY KEY, stream_uid TEXT NOT NULL, seq_num INTEGER NOT NULL, time REAL NOT NULL,
      data TEXT NOT NULL, timestamps TEXT NOT NULL, UNIQUE(stream_uid, seq_num),
      FOREIGN KEY (stream_uid) REFERENCES streams(uid) ON DELETE CASCADE);
    CREATE TABLE image_refs (id INTEGER PRIMARY KEY AUTOINCREMENT, event_uid TEXT NOT NULL, field_name TEXT NOT NULL,
      zarr_group TEXT NOT NULL, index_in_stack INTEGER NOT NULL, shape_x INTEGER NOT NULL, shape_y INTEGER NOT NULL,
      dtype TEXT NOT NULL, FOREIGN KEY (event_uid) REFERENCES events(uid) ON DELETE CASCADE);
    INSERT INTO samples (name, formula) VALUES ('PS', 'C8H8'), ('PS', 'other'), ('PMMA', NULL);
    INSERT INTO runs VALUES ('aa', 2, 'scan', 1000.5, 1010.0, 'success', 1, NULL,
      '{"tags": ["night", "calibration", 3], "offset": NaN}');
    INSERT INTO runs VALUES ('bb', 3, 'scan', 1020.5, NULL, NULL, 0, NULL, '{}');
    INSERT INTO streams VALUES ('s1', 'aa', 'primary', '{"diode": {"dtype": "number"}}', 1000.6);
    INSERT INTO events VALUES ('e1', 's1', 1, 1001.0, '{"diode": 0.25}', '{"diode": 1001.0}');
    INSERT INTO image_refs (event_uid, field_name, zarr_group, index_in_stack, shape_x, shape_y, dtype)
      VALUES ('e1', 'cam', 'runs/aa/cam', 0, 4, 5, 'uint16');
    PRAGMA user_version = ${version};
  `);
  if (version === 2) driver.exec("ALTER TABLE image_refs ADD COLUMN compression_codec TEXT");
  driver.exec("PRAGMA journal_mode = DELETE");
  driver.close();
}
