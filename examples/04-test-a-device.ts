// Test a device alone: the fake records every call and keeps every frame.
import assert from "node:assert/strict";
import { ndArray, type StorageProxy } from "sluice";
import { Device, Status, storageSlot } from "sluice/acquire";
import { FakeStorage } from "sluice/testing";

/** A photodiode that is read out once. */
class Diode extends Device {
  static {
    storageSlot(this);
  }
  declare storage: StorageProxy | null;

  measure(): Status {
    return Status.of(async () => {
      if (this.storage === null) throw new Error("no storage in this session");
      this.storage.updateSource(this.name, "float32", [2]);
      const sink = await this.storage.prepare(this.name, 1);
      await this.storage.kickoff();
      await sink.write(ndArray(Float32Array.of(0.5, 0.25)));
      await sink.close();
    });
  }
}

const diode = new Diode("diode");
await assert.rejects(diode.measure().wait(), /no storage/);

const storage = new FakeStorage();
diode.storage = storage;
await diode.measure();
assert.deepEqual([...(storage.frames("diode")[0]?.data ?? [])], [0.5, 0.25]);
console.log(storage.methods.join(" → "));
