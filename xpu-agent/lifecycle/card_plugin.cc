#include "xpu-agent/lifecycle/card_plugin.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "common/base/status_macros.h"
#include "common/opi/opi_names.h"
#include "common/vendor_plugin/plugin_role.h"
#include "xpu-agent/core/kinds.h"
#include "xpu-agent/core/model_owner.h"
#include "xpu-agent/core/network_function_changes.h"

namespace xpu {
namespace {

std::set<std::string> PortsOf(const Model& model) {
  std::set<std::string> ports;
  for (const auto& [id, port] : model.ports) ports.insert(id);
  return ports;
}

CardUse UseOf(const ModelView& view) {
  CardUse use;
  const Model& model = view.state().model;
  for (const auto& [id, representor] : model.representors) {
    const absl::StatusOr<PortFunction> function = PortFunction::FromPortId(id);
    if (function.ok() && !function->is_subfunction) use.vfs.insert(id);
  }
  use.ports = PortsOf(model);
  return use;
}

}  // namespace

absl::StatusOr<int> ConfirmNumVfs(const CardUse& use, int count) {
  if (count == static_cast<int>(use.vfs.size())) return count;
  return absl::FailedPreconditionError(absl::StrCat(
      "vf_cnt: the card has ", use.vfs.size(), " virtual functions and not ", count,
      "; their number is set on the host, by cards[].physicalFunctions[].vfs of xpu-host-agent's "
      "configuration",
      use.ports.empty() ? "" : absl::StrCat(", once none is in use; in use are ", NameSome(use.ports))));
}

CardPlugin::CardPlugin(ModelOwner& owner, Options options) : owner_(owner), options_(std::move(options)) {}

void CardPlugin::Init(bool on_card, const std::string& identifier,
                      std::function<void(absl::StatusOr<PluginEndpoint>)> done) {
  owner_.Submit({.change =
                     [on_card, identifier](AgentState& draft, const RepresentorLookup&) {
                       PluginRole role(/*on_card=*/true, draft.plugin_identifier);
                       const absl::Status taken = role.Take(on_card, identifier, PortsOf(draft.model));
                       if (taken.ok()) draft.plugin_identifier = identifier;
                       return taken;
                     },
                 .objects = {},
                 .done =
                     [this, done = std::move(done)](const absl::Status& status, const ModelView&) {
                       if (!status.ok()) return done(status);
                       if (options_.endpoint.has_value()) return done(*options_.endpoint);
                       done(
                           absl::FailedPreconditionError("this agent does not know where dpu-operator's "
                                                         "daemon is to listen for the host; start it with "
                                                         "--dpu-operator-endpoint IP:PORT"));
                     }});
}

void CardPlugin::GetDevices(std::function<void(absl::StatusOr<std::vector<PluginDevice>>)> done) {
  owner_.Read([this, done = std::move(done)](const ModelView& view) {
    std::vector<PluginDevice> devices;
    const auto& representors = view.state().model.representors;
    for (const auto& [id, why] : view.ports()) {
      PluginDevice& device = devices.emplace_back(PluginDevice{.id = id, .healthy = why.empty()});
      const auto representor = representors.find(id);
      if (representor != representors.end() && options_.numa_node) {
        device.numa_node = options_.numa_node(representor->second.interface);
      }
    }
    done(std::move(devices));
  });
}

void CardPlugin::SetNumVfs(int count, std::function<void(absl::StatusOr<int>)> done) {
  owner_.Read(
      [count, done = std::move(done)](const ModelView& view) { done(ConfirmNumVfs(UseOf(view), count)); });
}

void CardPlugin::CreateNetworkFunction(const MacAddress& input, const MacAddress& output,
                                       std::function<void(absl::Status)> done) {
  const std::string id = IdOf(input, output);
  owner_.Submit(
      {.change = [id, input, output](AgentState& draft, const RepresentorLookup&) -> absl::Status {
         NetworkFunctionSpec spec;
         XPU_ASSIGN_OR_RETURN(spec.input, FindPortByMac(draft.model, "input", input));
         XPU_ASSIGN_OR_RETURN(spec.output, FindPortByMac(draft.model, "output", output));
         return xpu::CreateNetworkFunction(draft, id, spec);
       },
       .objects = {NetworkFunctionName(id)},
       .must_be_confirmed = true,
       .done = [done = std::move(done)](const absl::Status& status, const ModelView&) { done(status); }});
}

void CardPlugin::DeleteNetworkFunction(const MacAddress& input, const MacAddress& output,
                                       std::function<void(absl::Status)> done) {
  const std::string id = IdOf(input, output);
  owner_.Submit(
      {.change =
           [id](AgentState& draft, const RepresentorLookup&) {
             const absl::Status status = xpu::DeleteNetworkFunction(draft, id);
             return absl::IsNotFound(status) ? absl::OkStatus() : status;
           },
       .objects = {NetworkFunctionName(id)},
       .done = [done = std::move(done)](const absl::Status& status, const ModelView&) { done(status); }});
}

std::string CardPlugin::IdOf(const MacAddress& input, const MacAddress& output) {
  return absl::StrReplaceAll(absl::StrCat("nf-", input.ToString(), "-", output.ToString()), {{":", ""}});
}

void CardPlugin::IsHealthy(std::function<void(bool)> done) {
  owner_.Read([done = std::move(done)](const ModelView& view) {
    const PortHealth ports = view.ports();
    done(ports.empty() ||
         std::any_of(ports.begin(), ports.end(), [](const auto& port) { return port.second.empty(); }));
  });
}

}  // namespace xpu
