/**
 * What the scripts do for scans that are also kept as blissdata keeps them. Such a scan has a field `mirror`, the ULID of
 * its state stream there, so that whoever changes the scan changes both, whatever dialect its own engine was opened with.
 * A document that a client of blissdata has deleted stays deleted.
 */
export const blissdataLua = `
local function create_mirror(scan, key, document)
  local mirror = string.match(key, '[^:]*$')
  redis.call('HSET', scan, 'mirror', mirror)
  redis.call('JSON.SET', key, '.', document)
  redis.call('XADD', '_SCAN_HISTORY_', 'MAXLEN', '~', 2048, '*', 'key', key)
  redis.call('XADD', 'esrf:stream:' .. mirror, '*', 'state', '0')
end

local function change_mirror(scan, key, state, info, streams, reason)
  local mirror = redis.call('HGET', scan, 'mirror')
  if not mirror or redis.call('EXISTS', key) == 0 then return end
  if streams ~= '' then redis.call('JSON.SET', key, '$.data_streams', streams) end
  if info ~= '' then redis.call('JSON.SET', key, '$.info', info) end
  if state == '4' and reason ~= '' then redis.call('JSON.SET', key, '$.info.end_reason', cjson.encode(reason)) end
  redis.call('XADD', 'esrf:stream:' .. mirror, '*', 'state', state)
end

local function expire_mirror(scan, key, ms)
  local mirror = redis.call('HGET', scan, 'mirror')
  if not mirror then return end
  redis.call('PEXPIRE', key, ms)
  redis.call('PEXPIRE', 'esrf:stream:' .. mirror, ms)
end
`;
