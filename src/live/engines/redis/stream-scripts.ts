/** Steps on streams. */
import type { RedisScript } from "./shared-lua.ts";

/**
 * `args`: the prefix, the stream, who appends, `1` if some of it was sent before, the first index, and pairs: the number of points of an entry and
 * its payload, or `*` and packed entries: float64 number of points, uint32 bytes, payload. Answers 1, or why not.
 */
const append: RedisScript = {
  body: `
local prefix, stream, writer, again, index = args[1], args[2], args[3], args[4] == '1', tonumber(args[5])
local lengths, payloads, count = {}, {}, 0
for i = 6, #args, 2 do
  local packed = args[i + 1]
  if args[i] == '*' then
    local at, size = 1, #packed
    while at <= size do
      count = count + 1
      lengths[count], payloads[count], at = struct.unpack('<dI4c0', packed, at)
    end
  else
    count = count + 1
    lengths[count], payloads[count] = tonumber(args[i]), packed
  end
end
local length, sealed = tail(stream)
local first = 1
while again and first <= count and index < length do
  local id = text(index) .. '-1'
  local entry = redis.call('XRANGE', stream, id, id)[1]
  local is_same = entry and tonumber(field(entry[2], 'len') or 1) == lengths[first]
    and field(entry[2], 'payload') == payloads[first]
  local has_left = not entry and index < oldest(stream, length)
  if not is_same and not has_left then break end
  index = index + lengths[first]
  first = first + 1
end
if first > count then return 1 end
if sealed then return { 'sealed', text(length) } end
if index ~= length then return { 'index', text(index), text(length) } end
local claimed = redis.call('GET', prefix .. 'writer:' .. stream)
if claimed and claimed ~= writer then return { 'replaced' } end
for i = first, count do
  local points = lengths[i]
  if points == 1 then
    redis.call('XADD', stream, text(index) .. '-1', 'payload', payloads[i])
  else
    redis.call('XADD', stream, text(index) .. '-1', 'payload', payloads[i], 'len', text(points))
  end
  index = index + points
end
return 1`,
};

const claim: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, writer, found = args[1], args[2], {}
for i = 3, #args do
  local stream = args[i]
  redis.call('SET', prefix .. 'writer:' .. stream, writer)
  local ms = redis.call('PTTL', stream)
  if ms > 0 then redis.call('PEXPIRE', prefix .. 'writer:' .. stream, ms) end
  found[#found + 1] = bounds(prefix, stream)
end
return found`,
};

const sealStream: RedisScript = { runsWhenFull: true, body: "return text(seal(args[1]))" };

const boundsOf: RedisScript = {
  isRead: true,
  body: `
local found = {}
for i = 2, #args do found[#found + 1] = bounds(args[1], args[i]) end
return found`,
};

const range: RedisScript = {
  isRead: true,
  body: `
local prefix, stream, from, stop, max_bytes = unpack(args, 1, 5)
local about = bounds(prefix, stream)
if from == 'last' then
  return { about, redis.call('XREVRANGE', stream, BEFORE_SEAL, '-', 'COUNT', 1) }
end
local start = first_with(stream, tonumber(from))
return { about, (page(stream, start, stop, tonumber(max_bytes), math.huge)) }`,
};

const peek: RedisScript = {
  isRead: true,
  body: `
local prefix, left = args[1], tonumber(args[2])
local found = {}
for i = 3, #args, 2 do
  local stream, index = args[i], tonumber(args[i + 1])
  local about = bounds(prefix, stream)
  local entries = {}
  if left > 0 and tonumber(about[2]) > index then
    local bytes
    entries, bytes = page(stream, first_with(stream, index), BEFORE_SEAL, left, 512)
    left = left - bytes
  end
  found[#found + 1] = { about, entries }
end
return found`,
};

const trim: RedisScript = {
  runsWhenFull: true,
  body: `
local stream, before = args[1], tonumber(args[2])
local length, sealed, newest = tail(stream)
local keep = math.min(before, length)
local entry = keep > 0 and redis.call('XREVRANGE', stream, text(keep) .. '-0', '-', 'COUNT', 1)[1]
if entry then
  local index, count = extent(entry)
  if index + count > keep then keep = index end
end
if newest and keep > newest then keep = newest end
redis.call('XTRIM', stream, 'MINID', text(keep) .. '-0')
return text(oldest(stream, length))`,
};

const durable: RedisScript = {
  runsWhenFull: true,
  body: `
local key = args[1] .. 'durable:' .. args[2]
local length = tail(args[2])
local index = math.min(tonumber(args[3]), length)
if tonumber(redis.call('GET', key) or 0) < index then
  redis.call('SET', key, text(index), 'KEEPTTL')
end
return 1`,
};

/** The scripts by name. */
export const streamScripts = {
  append,
  claim,
  seal: sealStream,
  bounds: boundsOf,
  range,
  peek,
  trim,
  durable,
} as const satisfies Record<string, RedisScript>;
