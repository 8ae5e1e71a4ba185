/**
 * What must happen in one step, as Lua that the server runs. Each script has `args`, a list of strings, and answers plain
 * lists. `args[1]` is the prefix of the engine's own keys, except for those that know of a stream only.
 *
 * The engine's own keys, after the prefix:
 * - the key of a scan: hash with `identity`, `info`, `streams` (JSON), `state`, `revision`, `created` (seconds), `tag`,
 *   `news` (id of the newest entry of the state stream), `keys` (of streams, one a line), `index` (JSON: name and member
 *   in each field's set), `owner`, `expires` (milliseconds), `end`, `token` (of the last change);
 * - `state:<key of scan>`: stream, its states, as those of blissdata are kept;
 * - `scans`: stream, the history; `forgotten`: id of the newest entry that a limit has removed from it;
 * - `created`: sorted set of keys of scans by time; `leases`: the same by the end of their lease;
 * - `field:<name>`: sorted set of `<value>\0<key of scan>`, all of one score, so that ranges of text can be asked for;
 * - `durable:<stream>`: the durable index.
 */

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

local function header(prefix, key)
  local scan = prefix .. key
  local values = redis.call('HMGET', scan, 'identity', 'info', 'state', 'streams', 'revision', 'created', 'news',
    'end', 'owner', 'expires')
  if not values[1] then return false end
  if values[10] then values[10] = text(tonumber(values[10]) - now()) end
  values[11] = redis.call('PTTL', scan)
  return values
end

local function is_there(prefix, key) return redis.call('EXISTS', prefix .. key) == 1 end

local function lease(prefix, key, owner, ms)
  local ends = now() + tonumber(ms)
  redis.call('HSET', prefix .. key, 'owner', owner, 'expires', text(ends))
  redis.call('ZADD', prefix .. 'leases', ends, key)
end

local function close(prefix, key, reason)
  local scan = prefix .. key
  redis.call('HSET', scan, 'state', '4', 'end', reason)
  redis.call('HDEL', scan, 'owner', 'expires')
  redis.call('ZREM', prefix .. 'leases', key)
end

local function page(stream, start, stop, max_bytes)
  local found, bytes, count, at = {}, 0, 1, start
  while true do
    local chunk = redis.call('XRANGE', stream, at, stop, 'COUNT', count)
    for _, entry in ipairs(chunk) do
      local size = #(field(entry[2], 'payload') or '')
      if #found > 0 and bytes + size > max_bytes then return found, bytes end
      found[#found + 1] = entry
      bytes = bytes + size
    end
    if #chunk < count or bytes >= max_bytes then return found, bytes end
    at = '(' .. chunk[#chunk][1]
    count = math.max(1, math.min(1024, math.floor((max_bytes - bytes) / (bytes / #found + 1))))
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
`;

const create: RedisScript = {
  body: `
local prefix, key, token, identity, info, limit, owner, ms = unpack(args, 1, 8)
local scan, history = prefix .. key, prefix .. 'scans'
local known = redis.call('HMGET', scan, 'token', 'tag')
if known[2] then
  if known[1] == token then return known[2] end
  return false
end
local tag = redis.call('XADD', history, '*', 'key', key)
if limit ~= '' then
  local over = redis.call('XLEN', history) - tonumber(limit)
  if over > 0 then
    local forgotten = redis.call('XRANGE', history, '-', '+', 'COUNT', over)
    redis.call('SET', prefix .. 'forgotten', forgotten[#forgotten][1])
    redis.call('XTRIM', history, 'MAXLEN', limit)
  end
end
local created = now()
local index = {}
for i = 9, #args, 2 do
  local member = args[i + 1] .. '\\0' .. key
  redis.call('ZADD', prefix .. 'field:' .. args[i], 0, member)
  index[#index + 1] = args[i]
  index[#index + 1] = member
end
redis.call('ZADD', prefix .. 'created', created, key)
redis.call('HSET', scan, 'identity', identity, 'info', info, 'state', '0', 'streams', '{}', 'revision', '0',
  'created', string.format('%.3f', created / 1000), 'tag', tag, 'news', tell(prefix, key, '0'), 'keys', '',
  'index', cjson.encode(index), 'token', token)
if owner ~= '' then lease(prefix, key, owner, ms) end
return tag`,
};

const change: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, token, from, to, info, streams, keys, reason = unpack(args, 1, 9)
local scan = prefix .. key
local known = redis.call('HMGET', scan, 'state', 'token', 'keys')
if not known[1] then return { 'gone' } end
if known[2] ~= token then
  if not string.find(from, known[1], 1, true) or tonumber(known[1]) >= tonumber(to) then
    return { 'state', known[1] }
  end
  if streams == '' then
    keys = known[3]
  else
    redis.call('HSET', scan, 'streams', streams, 'keys', keys)
  end
  if info ~= '' then redis.call('HSET', scan, 'info', info) end
  if tonumber(to) >= 3 then
    for _, stream in ipairs(lines(keys)) do seal(stream) end
  end
  if to == '4' then
    close(prefix, key, reason)
    if reason == '' then redis.call('HDEL', scan, 'end') end
  end
  redis.call('HINCRBY', scan, 'revision', 1)
  redis.call('HSET', scan, 'state', to, 'token', token, 'news', tell(prefix, key, to))
end
return { 'done', header(prefix, key) }`,
};

const read: RedisScript = { isRead: true, body: "return header(args[1], args[2])" };

const member: RedisScript = {
  isRead: true,
  body: `
local found = {}
for i = 3, #args do found[#found + 1] = redis.call('HGET', args[1] .. args[i], args[2]) end
return found`,
};

const remove: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, token, grace = unpack(args, 1, 4)
local scan = prefix .. key
local known = redis.call('HMGET', scan, 'keys', 'tag', 'index')
if not known[2] then
  local last = redis.call('XREVRANGE', prefix .. 'state:' .. key, '+', '-', 'COUNT', 1)[1]
  return (last and field(last[2], 'by') == token) and 1 or 0
end
for _, stream in ipairs(lines(known[1])) do
  seal(stream)
  redis.call('XTRIM', stream, 'MAXLEN', 1)
  redis.call('PEXPIRE', stream, grace)
  redis.call('PEXPIRE', prefix .. 'durable:' .. stream, grace)
end
local index = cjson.decode(known[3])
for i = 1, #index, 2 do redis.call('ZREM', prefix .. 'field:' .. index[i], index[i + 1]) end
redis.call('ZREM', prefix .. 'created', key)
redis.call('ZREM', prefix .. 'leases', key)
redis.call('XDEL', prefix .. 'scans', known[2])
redis.call('DEL', scan)
tell(prefix, key, '4', 'by', token)
redis.call('PEXPIRE', prefix .. 'state:' .. key, grace)
return 1`,
};

const expire: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, ms = unpack(args, 1, 3)
local scan = prefix .. key
local known = redis.call('HMGET', scan, 'state', 'keys')
if not known[1] then return 0 end
redis.call('HSET', scan, 'news', tell(prefix, key, known[1]))
redis.call('PEXPIRE', prefix .. 'state:' .. key, ms)
for _, stream in ipairs(lines(known[2])) do
  redis.call('PEXPIRE', stream, ms)
  redis.call('PEXPIRE', prefix .. 'durable:' .. stream, ms)
end
redis.call('PEXPIRE', scan, ms)
return 1`,
};

const after: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, place, limit = args[1], args[2], tonumber(args[3])
local history = prefix .. 'scans'
local gap = 0
local forgotten = redis.call('GET', prefix .. 'forgotten')
if forgotten and redis.call('EXISTS', history) == 1 then
  local function parts(id)
    local time, number = string.match(id, '^(%d+)%-?(%d*)$')
    return tonumber(time), tonumber(number ~= '' and number or 0)
  end
  local time, number = parts(place)
  local old_time, old_number = parts(forgotten)
  if time < old_time or (time == old_time and number < old_number) then gap = 1 end
end
local found = {}
while #found < 2 * limit do
  local entries = redis.call('XRANGE', history, '(' .. place, '+', 'COUNT', limit)
  for _, entry in ipairs(entries) do
    if #found == 2 * limit then break end
    local key = field(entry[2], 'key')
    place = entry[1]
    if is_there(prefix, key) then
      found[#found + 1] = place
      found[#found + 1] = key
    else
      redis.call('XDEL', history, place)
    end
  end
  if #entries < limit then break end
end
return { place, gap, found }`,
};

const last: RedisScript = {
  isRead: true,
  body: `
local prefix, place = args[1], '+'
while true do
  local entries = redis.call('XREVRANGE', prefix .. 'scans', place, '-', 'COUNT', 16)
  for _, entry in ipairs(entries) do
    local key = field(entry[2], 'key')
    if is_there(prefix, key) then return { last_tag(prefix), key } end
    place = '(' .. entry[1]
  end
  if #entries < 16 then return { last_tag(prefix) } end
end`,
};

const search: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, from, to = unpack(args, 1, 3)
local name, low, high, fewest
for i = 4, #args, 3 do
  local count = redis.call('ZLEXCOUNT', prefix .. 'field:' .. args[i], args[i + 1], args[i + 2])
  if not fewest or count < fewest then name, low, high, fewest = args[i], args[i + 1], args[i + 2], count end
end
local candidates
if name then
  candidates = redis.call('ZRANGEBYLEX', prefix .. 'field:' .. name, low, high)
else
  candidates = redis.call('ZRANGEBYSCORE', prefix .. 'created', from, to)
end
local found = {}
for _, candidate in ipairs(candidates) do
  local key = name and string.match(candidate, '%z(%Z*)$') or candidate
  local values = redis.call('HMGET', prefix .. key, 'identity', 'state', 'created', 'tag')
  if values[1] then
    found[#found + 1] = { key, values[1], values[2], values[3], values[4] }
  else
    redis.call('ZREM', prefix .. 'created', key)
    if name then redis.call('ZREM', prefix .. 'field:' .. name, candidate) end
  end
end
return { last_tag(prefix), found }`,
};

const append: RedisScript = {
  body: `
local stream, again, at = args[1], args[2] == '1', 3
local length, sealed = tail(stream)
while again and at <= #args and tonumber(args[at]) < length do
  local id = args[at] .. '-1'
  local entry = redis.call('XRANGE', stream, id, id)[1]
  local is_same = entry and (field(entry[2], 'len') or '1') == args[at + 1]
    and field(entry[2], 'payload') == args[at + 2]
  local has_left = not entry and tonumber(args[at]) < oldest(stream, length)
  if not is_same and not has_left then break end
  at = at + 3
end
if at > #args then return { 'done' } end
if sealed then return { 'sealed', text(length) } end
if tonumber(args[at]) ~= length then return { 'index', args[at], text(length) } end
for i = at, #args, 3 do
  if args[i + 1] == '1' then
    redis.call('XADD', stream, args[i] .. '-1', 'payload', args[i + 2])
  else
    redis.call('XADD', stream, args[i] .. '-1', 'payload', args[i + 2], 'len', args[i + 1])
  end
end
return { 'done' }`,
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
return { about, (page(stream, start, stop, tonumber(max_bytes))) }`,
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
    entries, bytes = page(stream, first_with(stream, index), BEFORE_SEAL, left)
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
if tonumber(redis.call('GET', key) or 0) < tonumber(args[3]) then
  redis.call('SET', key, args[3], 'KEEPTTL')
end
return 1`,
};

const renew: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, key, owner, ms = unpack(args, 1, 4)
local known = redis.call('HMGET', prefix .. key, 'state', 'owner', 'expires', 'end')
if not known[1] then return 'gone' end
if known[1] == '4' then return known[4] == 'LOST' and 'lost' or 'closed' end
if known[2] and known[2] ~= owner and tonumber(known[3]) > now() then return 'taken' end
lease(prefix, key, owner, ms)
return 'done'`,
};

const lost: RedisScript = {
  runsWhenFull: true,
  body: `
local prefix, closed = args[1], {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'leases', '-inf', text(now()))) do
  local scan = prefix .. key
  local known = redis.call('HMGET', scan, 'state', 'keys')
  if known[1] and known[1] ~= '4' then
    for _, stream in ipairs(lines(known[2])) do seal(stream) end
    close(prefix, key, 'LOST')
    redis.call('HINCRBY', scan, 'revision', 1)
    redis.call('HSET', scan, 'news', tell(prefix, key, '4'))
    closed[#closed + 1] = key
  else
    redis.call('ZREM', prefix .. 'leases', key)
  end
end
return closed`,
};

/** The scripts by name. */
export const scripts = {
  create,
  change,
  read,
  member,
  remove,
  expire,
  after,
  last,
  search,
  append,
  seal: sealStream,
  bounds: boundsOf,
  range,
  peek,
  trim,
  durable,
  renew,
  lost,
} as const satisfies Record<string, RedisScript>;

/** Name of a script. */
export type ScriptName = keyof typeof scripts;
