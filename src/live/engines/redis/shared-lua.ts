/**
 * What must happen in one step, as Lua that the server runs. Each script has `args`, a list of strings, and answers plain
 * lists. `args[1]` is the prefix of the engine's own keys, except for those that know of a stream only.
 *
 * The engine's own keys, after the prefix:
 * - the key of a scan: hash with `identity`, `info`, `streams` (JSON), `state`, `revision`, `created` (seconds), `tag`,
 *   `news` (id of the newest entry of the state stream), `keys` (of streams, one a line), `index` (JSON: name and member
 *   in each field's set), `owner`, `expires` (milliseconds), `end`, `closed` (milliseconds), `token` (of the last change),
 *   `mirror` (if it is also kept as blissdata does);
 * - `seen`: when leases were last looked at or renewed (milliseconds). If the clock is then far from it, it was set, or the
 *   server was away: leases get the time back that they had, once (`spared` of the scan) until they are renewed;
 * - `state:<key of scan>`: stream, its states, as those of blissdata are kept;
 * - `scans`: stream, the history; `forgotten`: id of the newest entry that a limit has removed from it;
 * - `created`: sorted set of keys of scans by time; `leases`: the same by the end of their lease;
 * - `field:<name>`: sorted set of `<value>\0<key of scan>`, all of one score, so that ranges of text can be asked for;
 * - `durable:<stream>`: the durable index; `writer:<stream>`: who has claimed it.
 */
import { blissdataLua } from "./blissdata-lua.ts";

/** A script, and what Redis must know of it. */
export interface RedisScript {
  readonly body: string;
  /** It writes nothing, so it also runs on a full server. */
  readonly isRead?: boolean;
  /** It may write on a full server: it frees memory, or ends what takes some. */
  readonly runsWhenFull?: boolean;
}

/** What all scripts share. */
export const sharedLua = `
local CLOCK_GAP = 15000
local SEAL = '18446744073709551615-18446744073709551615'
local BEFORE_SEAL = '18446744073709551615-18446744073709551614'

local function text(number) return string.format('%.0f', number) end

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function field(values, name)
  for i = 1, #values, 2 do
    if values[i] == name then return values[i + 1] end
  end
end

local function extent(entry)
  return tonumber(string.match(entry[1], '^%d+')), tonumber(field(entry[2], 'len') or 1)
end

local function tail(stream)
  local last = redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
  if not last then return 0, false end
  if last[1] == SEAL then return tonumber(field(last[2], 'id')), true, nil end
  local index, length = extent(last)
  return index + length, false, index
end

local function oldest(stream, length)
  local entry = redis.call('XRANGE', stream, '-', BEFORE_SEAL, 'COUNT', 1)[1]
  if not entry then return length end
  return (extent(entry))
end

local function bounds(prefix, stream)
  local length, sealed = tail(stream)
  local durable = redis.call('GET', prefix .. 'durable:' .. stream) or '0'
  return { text(oldest(stream, length)), text(length), sealed and 1 or 0, durable }
end

local function seal(stream)
  local length, sealed = tail(stream)
  if not sealed then redis.call('XADD', stream, SEAL, 'id', text(length)) end
  return length
end

local function lines(list)
  local found = {}
  for line in string.gmatch(list or '', '[^\\n]+') do found[#found + 1] = line end
  return found
end

local function tell(prefix, key, state, ...)
  return redis.call('XADD', prefix .. 'state:' .. key, '*', 'state', state, ...)
end

local function last_tag(prefix)
  if redis.call('EXISTS', prefix .. 'scans') == 0 then return '0-0' end
  return field(redis.call('XINFO', 'STREAM', prefix .. 'scans'), 'last-generated-id')
end

local function is_there(prefix, key) return redis.call('HEXISTS', prefix .. key, 'tag') == 1 end

local function header(prefix, key)
  local scan = prefix .. key
  local values = redis.call('HMGET', scan, 'identity', 'info', 'state', 'streams', 'revision', 'created', 'news',
    'end', 'owner', 'expires', 'closed')
  if not is_there(prefix, key) then return false end
  if values[10] then values[10] = text((tonumber(values[10]) or 0) - now()) end
  if values[11] then values[11] = text(now() - (tonumber(values[11]) or now())) end
  values[12] = redis.call('PTTL', scan)
  return values
end

local function settle_clock(prefix)
  local time = now()
  local gap = time - (tonumber(redis.call('GET', prefix .. 'seen') or '') or time)
  redis.call('SET', prefix .. 'seen', text(time))
  if gap >= -1000 and gap <= CLOCK_GAP then return end
  local held = redis.call('ZRANGE', prefix .. 'leases', 0, -1, 'WITHSCORES')
  for i = 1, #held, 2 do
    local key, ends = held[i], tonumber(held[i + 1])
    local spared = is_there(prefix, key) and (gap < 0 or ends > time - gap and redis.call('HSETNX', prefix .. key, 'spared', '1') == 1)
    if spared then
      redis.call('HSET', prefix .. key, 'expires', text(ends + gap))
      redis.call('ZADD', prefix .. 'leases', ends + gap, key)
    end
  end
end

local function lease(prefix, key, owner, ms)
  settle_clock(prefix)
  local ends = now() + tonumber(ms)
  redis.call('HSET', prefix .. key, 'owner', owner, 'expires', text(ends))
  redis.call('HDEL', prefix .. key, 'spared')
  redis.call('ZADD', prefix .. 'leases', ends, key)
end

local function close(prefix, key, reason)
  local scan = prefix .. key
  redis.call('HSET', scan, 'state', '4', 'end', reason, 'closed', text(now()))
  redis.call('HDEL', scan, 'owner', 'expires')
  redis.call('ZREM', prefix .. 'leases', key)
end

-- A revision that is damaged goes on above any that there was.
local function revise(scan)
  local revised = redis.pcall('HINCRBY', scan, 'revision', 1)
  if type(revised) == 'table' then redis.call('HSET', scan, 'revision', text(now())) end
end

local function page(stream, start, stop, max_bytes, max_entries)
  local found, bytes, count, at = {}, 0, 1, start
  while true do
    local chunk = redis.call('XRANGE', stream, at, stop, 'COUNT', count)
    for _, entry in ipairs(chunk) do
      local size = #(field(entry[2], 'payload') or '')
      if #found > 0 and bytes + size > max_bytes then return found, bytes end
      found[#found + 1] = entry
      bytes = bytes + size
    end
    if #chunk < count or bytes >= max_bytes or #found >= max_entries then return found, bytes end
    at = '(' .. chunk[#chunk][1]
    count = math.min(1024, max_entries - #found, math.floor((max_bytes - bytes) / (bytes / #found + 1)))
    count = math.max(1, count)
  end
end

local function first_with(stream, index)
  local from = text(index) .. '-1'
  local entry = redis.call('XREVRANGE', stream, from, '-', 'COUNT', 1)[1]
  if not entry then return from end
  local start, length = extent(entry)
  if start + length > index then return entry[1] end
  return from
end
${blissdataLua}`;
