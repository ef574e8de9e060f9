#include "test/lib/kubelet/device_ledger.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"

namespace xpu::testing {
namespace {

constexpr char kHealthy[] = "Healthy";
constexpr char kUnhealthy[] = "Unhealthy";

}  // namespace

void DeviceLedger::Connected(const std::string& resource) {
  Resource& entry = resources_[resource];
  entry.connected = true;
  entry.stopped.reset();
}

void DeviceLedger::Received(const std::string& resource, const v1beta1::ListAndWatchResponse& list) {
  Resource& entry = resources_[resource];
  entry.devices.clear();
  for (const v1beta1::Device& device : list.devices()) entry.devices[device.id()] = device;
}

void DeviceLedger::Disconnected(const std::string& resource, absl::Time now) {
  Resource& entry = resources_[resource];
  entry.connected = false;
  entry.stopped = now;
  for (auto& [id, device] : entry.devices) device.set_health(kUnhealthy);
}

absl::StatusOr<DeviceLedger::Choice> DeviceLedger::Choose(const std::string& container,
                                                          const std::string& resource, int count) const {
  if (count <= 0)
    return absl::InvalidArgumentError("a container that asks for devices asks for one at least");
  const auto entry = resources_.find(resource);
  if (entry == resources_.end()) {
    return absl::NotFoundError(absl::StrCat("cannot allocate unregistered device ", resource));
  }
  std::set<std::string> healthy;
  for (const auto& [id, device] : entry->second.devices) {
    if (device.health() == kHealthy) healthy.insert(id);
  }
  Choice choice;
  if (const auto holder = held_.find(container); holder != held_.end() && holder->second.contains(resource)) {
    choice.held = &holder->second.at(resource);
    if (choice.held->ids.size() != static_cast<size_t>(count)) {
      return absl::FailedPreconditionError(absl::StrCat(container, " changed request for resource ", resource,
                                                        " from ", choice.held->ids.size(), " to ", count));
    }
    for (const std::string& id : choice.held->ids) {
      if (!healthy.contains(id)) {
        return absl::FailedPreconditionError(absl::StrCat(
            "previously allocated devices are no longer healthy; cannot allocate unhealthy devices ",
            resource));
      }
    }
    return choice;
  }
  if (healthy.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no healthy devices present; cannot allocate unhealthy devices ", resource));
  }
  for (const std::string& id : Held(resource)) healthy.erase(id);
  if (healthy.size() < static_cast<size_t>(count)) {
    return absl::ResourceExhaustedError(absl::StrCat("requested number of devices unavailable for ", resource,
                                                     ". Requested: ", count,
                                                     ", Available: ", healthy.size()));
  }
  choice.available.assign(healthy.begin(), healthy.end());
  return choice;
}

void DeviceLedger::Hold(const std::string& container, const std::string& resource, HeldDevices held) {
  held_[container][resource] = std::move(held);
}

void DeviceLedger::Release(const std::string& container) { held_.erase(container); }

DeviceLedger::Capacity DeviceLedger::GetCapacity(const std::string& resource, absl::Time now) {
  const auto entry = resources_.find(resource);
  if (entry == resources_.end()) return {};
  if (entry->second.stopped.has_value() && now - *entry->second.stopped > stop_grace_) {
    resources_.erase(entry);
    return {};
  }
  Capacity capacity;
  for (const auto& [id, device] : entry->second.devices) {
    ++capacity.capacity;
    if (device.health() == kHealthy) ++capacity.allocatable;
  }
  return capacity;
}

std::vector<v1beta1::Device> DeviceLedger::Devices(const std::string& resource) const {
  std::vector<v1beta1::Device> devices;
  if (const auto entry = resources_.find(resource); entry != resources_.end()) {
    for (const auto& [id, device] : entry->second.devices) devices.push_back(device);
  }
  return devices;
}

std::set<std::string> DeviceLedger::Held(const std::string& resource) const {
  std::set<std::string> ids;
  for (const auto& [container, resources] : held_) {
    if (const auto entry = resources.find(resource); entry != resources.end()) {
      ids.insert(entry->second.ids.begin(), entry->second.ids.end());
    }
  }
  return ids;
}

bool DeviceLedger::IsConnected(const std::string& resource) const {
  const auto entry = resources_.find(resource);
  return entry != resources_.end() && entry->second.connected;
}

std::string DeviceLedger::ToJson() const {
  nlohmann::ordered_json entries = nlohmann::ordered_json::array();
  for (const auto& [container, resources] : held_) {
    for (const auto& [resource, held] : resources) {
      entries.push_back({{"ContainerName", container},
                         {"ResourceName", resource},
                         {"DeviceIDs", held.ids},
                         {"AllocResp", absl::Base64Escape(held.response.SerializeAsString())}});
    }
  }
  nlohmann::ordered_json registered = nlohmann::ordered_json::object();
  for (const auto& [resource, entry] : resources_) {
    registered[resource] = nlohmann::ordered_json::array();
    for (const auto& [id, device] : entry.devices) registered[resource].push_back(id);
  }
  return nlohmann::ordered_json{{"PodDeviceEntries", entries}, {"RegisteredDevices", registered}}.dump();
}

absl::Status DeviceLedger::FromJson(const std::string& text, absl::Time now) {
  std::map<std::string, Resource> resources;
  std::map<std::string, std::map<std::string, HeldDevices>> held;
  try {
    const nlohmann::json checkpoint = nlohmann::json::parse(text);
    for (const auto& entry : checkpoint.at("PodDeviceEntries")) {
      HeldDevices devices;
      devices.ids = entry.at("DeviceIDs").get<std::set<std::string>>();
      std::string response;
      if (!absl::Base64Unescape(entry.at("AllocResp").get<std::string>(), &response) ||
          !devices.response.ParseFromString(response)) {
        return absl::InvalidArgumentError("the checkpoint has a damaged AllocResp");
      }
      held[entry.at("ContainerName").get<std::string>()][entry.at("ResourceName").get<std::string>()] =
          std::move(devices);
    }
    for (const auto& [resource, ids] : checkpoint.at("RegisteredDevices").items())
      resources[resource].stopped = now;
  } catch (const nlohmann::json::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat("the checkpoint cannot be read: ", e.what()));
  }
  resources_ = std::move(resources);
  held_ = std::move(held);
  return absl::OkStatus();
}

}  // namespace xpu::testing
