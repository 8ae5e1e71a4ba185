/** docs/seeds.md: every name of the seed systems has its counterpart, and every counterpart exists. */
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import manifest from "../../package.json" with { type: "json" };
import { publicEntries } from "./public-names.ts";
import { readSources, repository } from "./source-files.ts";

/** Names that the seeds use, as they are written there. */
const seedNames: Readonly<Record<string, readonly string[]>> = {
  sunflare: `Device StorageDescriptor Writer Writer.mimetype Writer.is_open Writer.update_source Writer.prepare
    Writer.kickoff Writer.complete Writer.get_indices_written Writer.collect_stream_docs Writer._write_frame
    Writer._finalize FrameSink FrameSink.write FrameSink.close StorageProxy StorageProxy.update_source
    StorageProxy.prepare StorageProxy.kickoff StorageProxy.complete StorageProxy.get_indices_written
    StorageProxy.collect_stream_docs StreamAsset PathProvider PathInfo FilenameProvider StaticPathProvider ZarrWriter
    MagicMock(spec=StorageProxy)`.split(/\s+/),
  redsun: `DataWriter DataWriter.open DataWriter.close DataWriter.collect_stream_docs ControllableDataWriter
    ControllableDataWriter.register ControllableDataWriter.write_frame ControllableDataWriter.set_uri HasWriterLogic
    HasWriterLogic.writer_logic HasMetadata HasMetadata.update_metadata Writer.update_metadata Writer.clear_metadata
    Writer.clear_sources Writer.set_uri Writer.register Writer.open Writer.close PrepareInfo PrepareInfo.capacity
    PrepareInfo.write_forever Status Status.set_finished Status.set_exception SessionPathProvider path_info.store_uri
    get_available_writers handle_descriptor_metadata`.split(/\s+/),
  OpenHCS: `DataSink DataSink.save DataSink.save_batch DataSource DataSource.load DataSource.load_batch
    DataSource.list_files DataSource.exists DataSource.is_file DataSource.is_dir DataSource.list_dir VirtualBackend
    VirtualBackend.load VirtualBackend.load_batch VirtualBackend.list_files BackendBase ReadOnlyBackend StorageBackend
    StorageBackend.exists StreamingBackend requires_filesystem_validation AutoRegisterMeta _backend_type
    StorageResolutionError create_storage_registry storage_registry storage_registry.keys storage_registry.values
    storage_registry.items ensure_storage_registry get_backend reset_memory_backend`.split(/\s+/),
  resonance: `RunWriter RunWriter.open RunWriter.open_run RunWriter.open_stream RunWriter.write_event
    RunWriter.write_image RunWriter.close_run RunWriter.close RunWriter._sample RunWriter._run_uid
    SampleMetadata data_keys exit_status IndexWriter IndexWriter.ensure_schema IndexWriter.register_researcher
    IndexWriter.register_beamtime IndexWriter.index_run`.split(/\s+/),
  blissdata: `DataStore DataStore.create_scan DataStore.load_scan DataStore.get_last_scan
    DataStore.get_next_scan DataStore.search_existing_scans DataStore.get_scans_state DataStore.delete_scan
    ESRFIdentityModel Scan Scan.info Scan.state Scan.streams Scan.update Scan.create_stream
    Scan.get_writer_stream Scan.prepare Scan.start Scan.stop Scan.close ScanState Stream Stream.make_definition
    Stream.send Stream.join Stream.seal Stream.is_sealed Stream.wait_seal len(stream) stream[i] stream[a:b]
    Stream.cursor Cursor.read last_only CursorGroup CursorGroup.read View View.index View.last_index
    View.get_data ScanStream LimaStream Hdf5BackedStream MissingPluginStream EndOfStream IndexNotYetThereError
    IndexNoMoreThereError IndexWontBeThereError NoScanAvailable ScanNotFoundError UnauthorizeStateTransition
    File File[path] Group Dataset dataset[0:10] scan.info["mapping"] scan.info["h5maps"] RAW STREAM ScanInfoDict
    ChainDict ChannelDict DeviceDict SequenceDict blissdata/schemas --cleaning-threshold --protected-history
    --monitoring-period --inactive-scan-deletion --closed-scan-deletion`.split(/\s+/),
};

interface Row {
  readonly system: string;
  readonly there: string;
  /** Names in the middle column, members as `Class.member`. */
  readonly here: readonly string[];
  readonly from: string;
}

function rowsOf(page: string): Row[] {
  return page.split(/^## /m).flatMap((section) => {
    const system = section.split("\n")[0] ?? "";
    return [...section.matchAll(/^\| `(.+?)` +\| (.+?) +\| `(.+?)` +\|$/gm)].map(
      ([, there = "", here = "", from = ""]) => ({
        system,
        there,
        here: [...here.matchAll(/`([^`]+)`/g)].map(([, name]) => name as string),
        from,
      }),
    );
  });
}

/** A question to the compiler: does a subpath export this name, or this member of it, its protected ones included? */
function createLookup(entries: ReadonlyMap<string, string>): (name: string, from: string) => boolean {
  const { options } = ts.parseJsonConfigFileContent(
    ts.readConfigFile(join(repository, "tsconfig.json"), ts.sys.readFile).config,
    ts.sys,
    repository,
  );
  const program = ts.createProgram(
    [...entries.values()].map((path) => join(repository, path)),
    options,
  );
  const checker = program.getTypeChecker();
  return (name, from) => {
    const [exported, member] = name.split(".");
    const file = program.getSourceFile(join(repository, entries.get(from) ?? ""));
    const module = file && checker.getSymbolAtLocation(file);
    const found = module && checker.getExportsOfModule(module).find((symbol) => symbol.name === exported);
    if (found === undefined || member === undefined) return found !== undefined;
    const target = found.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(found) : found;
    return checker.getDeclaredTypeOfSymbol(target).getProperty(member) !== undefined;
  };
}

function checkSeedPage(page: string, lookup: (name: string, from: string) => boolean): string[] {
  const rows = rowsOf(page);
  const gaps = Object.entries(seedNames).flatMap(([system, names]) =>
    names
      .filter((name) => !rows.some((row) => row.system === system && row.there === name))
      .map((name) => `${system}: ${name} has no row`),
  );
  const wrong = rows.flatMap(({ here, from, there, system }) =>
    here
      // A second name in the prose may be a member of the first.
      .filter((name) => !lookup(name, from) && !lookup(`${here[0]}.${name}`, from))
      .map((name) => `${system}: ${there} is said to be ${name} of ${from}, which does not exist`),
  );
  return [...gaps, ...wrong];
}

describe("docs/seeds.md", () => {
  const page = readSources(["docs"], ".md").get("docs/seeds.md") ?? "";
  const lookup = createLookup(publicEntries(manifest.exports));

  it("names a counterpart that exists for everything the seeds name", () => {
    expect(checkSeedPage(page, lookup)).toEqual([]);
  });

  it("a planted gap, a wrong name and a wrong member are named", () => {
    const planted = page
      .replace(/^\| `FrameSink` .*\n/m, "")
      .replace("`Writer.isOpen`", "`Writer.isOpened`")
      .replace("| `getBackend` ", "| `findBackend` ");
    expect(checkSeedPage(planted, lookup)).toEqual([
      "sunflare: FrameSink has no row",
      "sunflare: Writer.is_open is said to be Writer.isOpened of sluice/acquire, which does not exist",
      "OpenHCS: get_backend is said to be findBackend of sluice/registry, which does not exist",
    ]);
  });
});
