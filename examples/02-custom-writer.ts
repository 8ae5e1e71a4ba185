// A writer of one's own: where frames go is three members; order, counting and checking come with the base.
import { type NdArray, ndArray } from "sluice";
import { Writer } from "sluice/acquire";

/** Keeps the mean of each frame and forgets the frame. */
class MeanWriter extends Writer {
  readonly means: number[] = [];

  get mimetype(): string {
    return "application/x-means";
  }

  protected doWriteFrame(_name: string, frame: NdArray): void {
    const values = Array.from(frame.data, Number);
    this.means.push(values.reduce((sum, value) => sum + value, 0) / values.length);
  }

  protected finalize(): void {
    console.log(`means: ${this.means.join(" ")}`);
  }
}

const writer = new MeanWriter("means", { uri: "mem://means" });
writer.updateSource("camera", "uint8", [2, 2]);
const sink = await writer.prepare("camera", 3);
await writer.kickoff();
for (const level of [10, 20, 30]) await sink.write(ndArray(new Uint8Array(4).fill(level), [2, 2]));
await sink.close();
console.log(`frames: ${writer.getIndicesWritten("camera")}`);
