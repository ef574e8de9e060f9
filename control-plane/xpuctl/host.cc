#include "control-plane/xpuctl/host.h"

#include <filesystem>
#include <memory>
#include <ostream>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "control-plane/xpuctl/table.h"
#include "nlohmann/json.hpp"
#include "xpu/hostagent/v1/host_agent.grpc.pb.h"

namespace xpu {
namespace {

namespace pb = hostagent::v1;
using nlohmann::json;

constexpr char kSandboxSocket[] = "/run/xpu-sandbox/default/host-agent.sock";
constexpr char kMachineSocket[] = "/run/xpu/host-agent.sock";
constexpr absl::Duration kPatience = absl::Seconds(10);

std::string DefaultAgent(const std::function<std::string(const char*)>& environment) {
  if (std::string agent = environment("XPU_HOST_AGENT"); !agent.empty()) return agent;
  std::error_code error;
  const bool sandbox = std::filesystem::is_socket(kSandboxSocket, error);
  return absl::StrCat("unix:", sandbox ? kSandboxSocket : kMachineSocket);
}

// A table for people, and the same for programs.
struct View {
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows;
  json items = json::array();
};

std::string OrAny(int wanted) { return wanted < 0 ? "any" : absl::StrCat(wanted); }

absl::StatusOr<View> PhysicalFunctions(pb::HostAgentService::Stub& stub, grpc::ClientContext& context) {
  pb::ListPhysicalFunctionsResponse response;
  XPU_RETURN_IF_ERROR(FromGrpc(stub.ListPhysicalFunctions(&context, {}, &response)));
  View view{.headings = {"ADDRESS", "CARD", "PRESENT", "VFS", "WANTED-VFS", "MAX-VFS", "SFS", "WANTED-SFS",
                         "REASON"}};
  for (const pb::PhysicalFunction& pf : response.physical_functions()) {
    view.rows.push_back({pf.pci_address(), pf.card(), pf.present() ? "yes" : "no", absl::StrCat(pf.vfs()),
                         OrAny(pf.wanted_vfs()), absl::StrCat(pf.total_vfs()), absl::StrCat(pf.sfs()),
                         OrAny(pf.wanted_sfs()), pf.reason()});
    json item = {{"pciAddress", pf.pci_address()}, {"card", pf.card()},
                 {"present", pf.present()},        {"vfs", pf.vfs()},
                 {"totalVfs", pf.total_vfs()},     {"sfs", pf.sfs()}};
    if (pf.wanted_vfs() >= 0) item["wantedVfs"] = pf.wanted_vfs();
    if (pf.wanted_sfs() >= 0) item["wantedSfs"] = pf.wanted_sfs();
    if (!pf.reason().empty()) item["reason"] = pf.reason();
    view.items.push_back(std::move(item));
  }
  return view;
}

absl::StatusOr<View> Functions(pb::HostAgentService::Stub& stub, grpc::ClientContext& context) {
  // The first list of the watch is all that there is.
  const auto reader = stub.WatchFunctions(&context, {});
  pb::WatchFunctionsResponse response;
  const bool read = reader->Read(&response);
  context.TryCancel();
  const grpc::Status end = reader->Finish();
  if (!read) return FromGrpc(end);
  View view{.headings = {"FUNCTION", "CARD", "PF", "INDEX", "DRIVER", "NUMA", "HEALTHY", "REASON"}};
  for (const pb::Function& function : response.functions()) {
    const bool is_sf = function.kind() == pb::Function::KIND_SF;
    view.rows.push_back({function.id(), function.card(), function.pf_address(),
                         absl::StrCat(function.index()), function.driver(),
                         absl::StrCat(function.numa_node()), function.healthy() ? "yes" : "no",
                         function.reason()});
    json item = {{"id", function.id()},          {"kind", is_sf ? "SF" : "VF"},
                 {"card", function.card()},      {"pfAddress", function.pf_address()},
                 {"index", function.index()},    {"vendor", function.vendor()},
                 {"device", function.device()},  {"numaNode", function.numa_node()},
                 {"healthy", function.healthy()}};
    const auto add = [&item](const char* name, const std::string& value) {
      if (!value.empty()) item[name] = value;
    };
    add("driver", function.driver());
    add("pfName", function.pf_name());
    add("linkType", function.link_type());
    add("vfioNode", function.vfio_node());
    add("auxiliaryDevice", function.auxiliary_device());
    add("reason", function.reason());
    for (const std::string& name : function.rdma_devices()) item["rdmaDevices"].push_back(name);
    for (const std::string& node : function.rdma_nodes()) item["rdmaNodes"].push_back(node);
    view.items.push_back(std::move(item));
  }
  return view;
}

absl::StatusOr<View> Claims(pb::HostAgentService::Stub& stub, grpc::ClientContext& context) {
  pb::ListClaimsResponse response;
  XPU_RETURN_IF_ERROR(FromGrpc(stub.ListClaims(&context, {}, &response)));
  View view{.headings = {"FUNCTION", "STATE", "POD", "INTERFACE", "NETWORK", "ADDRESSES"}};
  for (const pb::Claim& claim : response.claims()) {
    const std::string pod = claim.pod_name().empty()
                                ? claim.container_id()
                                : absl::StrCat(claim.pod_namespace(), "/", claim.pod_name());
    view.rows.push_back({claim.function(), claim.state(), pod, claim.ifname(), claim.network(),
                         absl::StrJoin(claim.addresses(), ",")});
    json item = {{"function", claim.function()}, {"state", claim.state()}, {"claim", claim.claim()}};
    if (!claim.container_id().empty()) {
      item.update({{"podNamespace", claim.pod_namespace()},
                   {"podName", claim.pod_name()},
                   {"containerId", claim.container_id()},
                   {"ifname", claim.ifname()},
                   {"network", claim.network()}});
    }
    for (const std::string& address : claim.addresses()) item["addresses"].push_back(address);
    view.items.push_back(std::move(item));
  }
  return view;
}

}  // namespace

absl::Status ShowHost(const HostViewOptions& options, std::ostream& out) {
  XPU_ASSIGN_OR_RETURN(const auto channel, MakeChannel(options.agent));
  const auto stub = pb::HostAgentService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  const absl::StatusOr<View> view = options.what == "functions" ? Functions(*stub, context)
                                    : options.what == "claims"  ? Claims(*stub, context)
                                                                : PhysicalFunctions(*stub, context);
  if (!view.ok()) {
    return Annotate(view.status(), absl::StrCat("the host agent at ", options.agent,
                                                " does not answer; say where it is with --host-agent or in "
                                                "XPU_HOST_AGENT"));
  }
  if (options.output == "json") {
    out << json{{"items", view->items}}.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    return absl::OkStatus();
  }
  Table table(view->headings);
  for (const std::vector<std::string>& row : view->rows) table.AddRow(row);
  table.Print(out);
  return absl::OkStatus();
}

void AddHostCommand(CLI::App& app, std::ostream& out, std::ostream& err,
                    const std::function<std::string(const char*)>& environment) {
  CLI::App* command = app.add_subcommand("host", "Show what this host's agent has: cards, functions, claims");
  // Owned by the callback, as the parser outlives this function.
  const auto options = std::make_shared<HostViewOptions>();
  command->add_option("what", options->what, "pfs (physical functions), functions or claims")
      ->check(CLI::IsMember({"pfs", "functions", "claims"}))
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->add_option("--host-agent", options->agent, "Where it serves: unix:PATH (or XPU_HOST_AGENT)");
  command->callback([options, &out, &err, environment] {
    if (options->agent.empty()) options->agent = DefaultAgent(environment);
    if (const absl::Status status = ShowHost(*options, out); !status.ok()) {
      err << "xpuctl: " << status.message() << "\n";
      throw CLI::RuntimeError(1);
    }
  });
}

}  // namespace xpu
