-- Argo CD health of AIRoute, AIPolicy and AIBackend: what their Ready condition says.
-- In argocd-cm: resource.customizations.health.dragoman.dev_AIRoute (_AIPolicy, _AIBackend).
local hs = { status = "Progressing", message = "Waiting for the controller" }

if obj.status == nil or obj.status.conditions == nil then
  return hs
end

local generation = obj.metadata.generation
local ready, stalled, under_way
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Stalled" and condition.status == "True" then
    stalled = condition
  elseif condition.type == "Reconciling" and condition.status == "True" then
    under_way = condition
  end
end

if ready == nil or obj.status.observedGeneration == nil then
  return hs
end

-- What was said about an earlier generation says nothing about this one.
if generation ~= nil and (obj.status.observedGeneration ~= generation
    or (ready.observedGeneration ~= nil and ready.observedGeneration ~= generation)) then
  hs.message = "Waiting for the controller to see generation " .. tostring(generation)
  return hs
end

hs.message = ready.reason
if ready.message ~= nil and ready.message ~= "" then
  hs.message = ready.reason .. ": " .. ready.message
end

if ready.status == "True" then
  hs.status = "Healthy"
elseif stalled ~= nil then
  hs.status = "Degraded"
elseif under_way ~= nil or ready.status == "Unknown" then
  hs.status = "Progressing"
else
  hs.status = "Degraded"
end
return hs
