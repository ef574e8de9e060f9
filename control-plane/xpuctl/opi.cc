#include "control-plane/xpuctl/opi.h"

#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "common/base/ip_address.h"
#include "common/base/mac_address.h"
#include "common/base/status_macros.h"
#include "common/opi/grpc_opi_client.h"
#include "control-plane/xpuctl/table.h"
#include "google/protobuf/util/json_util.h"
#include "grpcpp/generic/generic_stub.h"
#include "xpu/agent/v1/chain_service.pb.h"

namespace xpu {
namespace {

using google::protobuf::Message;

constexpr absl::Duration kPatience = absl::Seconds(10);
// OPI's networks, and what OPI has no call for.
constexpr const char* kPackages[] = {"opi_api.network.evpn_gw.v1alpha1", "xpu.agent.v1"};

// Objects for people and for programs.
struct View {
  std::vector<std::string> headings;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> items;
};

absl::StatusOr<std::string> ToJson(const Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = pretty;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!status.ok()) return absl::InternalError(std::string(status.message()));
  return json;
}

std::string ShowPrefix(const opi_api::network::opinetcommon::v1alpha1::IPPrefix& prefix) {
  IpAddress address;
  if (prefix.addr().has_v4_addr()) {
    address = IpAddress(IpFamily::kV4, prefix.addr().v4_addr());
  } else if (const auto v6 = IpAddress::FromBytes(prefix.addr().v6_addr()); v6.ok()) {
    address = *v6;
  } else {
    return "";
  }
  return InterfaceAddress{address, prefix.len()}.ToString();
}

std::string ShowMac(const std::string& bytes) {
  const absl::StatusOr<MacAddress> mac = MacAddress::FromBytes(bytes);
  return mac.ok() ? mac->ToString() : "";
}

// "up", or else what keeps it from being so.
template <typename Status>
std::vector<std::string> ShowStatus(const Status& status) {
  std::vector<std::string> reasons;
  for (const evpn::Component& component : status.components()) {
    if (component.status() == evpn::COMP_STATUS_SUCCESS) continue;
    reasons.push_back(absl::StrCat(component.name(), ": ", component.details()));
  }
  // The four enumerations of OPI count alike.
  constexpr const char* kWords[] = {"unknown", "up", "down", "going"};
  const int oper = static_cast<int>(status.oper_status());
  return {oper >= 0 && oper <= 3 ? kWords[oper] : kWords[0], absl::StrJoin(reasons, "; ")};
}

template <typename Object, typename Row>
absl::StatusOr<View> MakeView(const absl::StatusOr<std::vector<Object>>& objects,
                              std::vector<std::string> headings, Row row) {
  XPU_RETURN_IF_ERROR(objects.status());
  View view{.headings = std::move(headings)};
  view.headings.insert(view.headings.end(), {"STATUS", "REASON"});
  for (const Object& object : *objects) {
    std::vector<std::string> cells = row(object);
    for (std::string& cell : ShowStatus(object.status())) cells.push_back(std::move(cell));
    view.rows.push_back(std::move(cells));
    XPU_ASSIGN_OR_RETURN(std::string item, ToJson(object, false));
    view.items.push_back(std::move(item));
  }
  return view;
}

std::string ShowVni(bool has, uint32_t vni) { return has ? absl::StrCat(vni) : ""; }

absl::StatusOr<View> MakeView(OpiClient& opi, const std::string& what) {
  if (what == "vrfs") {
    return MakeView(opi.ListVrfs(), {"NAME", "VNI", "LOOPBACK", "VTEP"}, [](const evpn::Vrf& vrf) {
      return std::vector<std::string>{vrf.name(), ShowVni(vrf.spec().has_vni(), vrf.spec().vni()),
                                      ShowPrefix(vrf.spec().loopback_ip_prefix()),
                                      ShowPrefix(vrf.spec().vtep_ip_prefix())};
    });
  }
  if (what == "ports") {
    return MakeView(opi.ListBridgePorts(), {"NAME", "MAC", "TYPE", "BRIDGES"},
                    [](const evpn::BridgePort& port) {
                      return std::vector<std::string>{
                          port.name(), ShowMac(port.spec().mac_address()),
                          port.spec().ptype() == evpn::BRIDGE_PORT_TYPE_TRUNK ? "trunk" : "access",
                          absl::StrJoin(port.spec().logical_bridges(), ",")};
                    });
  }
  if (what == "svis") {
    return MakeView(opi.ListSvis(), {"NAME", "VRF", "BRIDGE", "MAC", "GATEWAYS"}, [](const evpn::Svi& svi) {
      std::vector<std::string> gateways;
      for (const auto& prefix : svi.spec().gw_ip_prefix()) gateways.push_back(ShowPrefix(prefix));
      return std::vector<std::string>{svi.name(), svi.spec().vrf(), svi.spec().logical_bridge(),
                                      ShowMac(svi.spec().mac_address()), absl::StrJoin(gateways, ",")};
    });
  }
  return MakeView(opi.ListLogicalBridges(), {"NAME", "VLAN", "VNI", "VTEP"},
                  [](const evpn::LogicalBridge& bridge) {
                    return std::vector<std::string>{bridge.name(), absl::StrCat(bridge.spec().vlan_id()),
                                                    ShowVni(bridge.spec().has_vni(), bridge.spec().vni()),
                                                    ShowPrefix(bridge.spec().vtep_ip_prefix())};
                  });
}

// "VrfService/ListVrfs", with or without the package.
const google::protobuf::MethodDescriptor* FindMethod(absl::string_view text) {
  // Otherwise the linker leaves it out.
  google::protobuf::LinkMessageReflection<agent::v1::NetworkFunction>();
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  if (parts.size() != 2) return nullptr;
  for (const char* package : kPackages) {
    const std::string service =
        absl::StartsWith(parts[0], package) ? parts[0] : absl::StrCat(package, ".", parts[0]);
    const auto* found = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
    if (found != nullptr) return found->FindMethodByName(parts[1]);
  }
  return nullptr;
}

// One call with messages of types that are known only now.
absl::Status Call(grpc::Channel& channel, const google::protobuf::MethodDescriptor& method,
                  const Message& request, Message* answer) {
  const grpc::Slice bytes(request.SerializeAsString());
  const grpc::ByteBuffer sent(&bytes, 1);
  grpc::ByteBuffer received;
  grpc::Status status;
  grpc::GenericStub stub(std::shared_ptr<grpc::Channel>(&channel, [](grpc::Channel*) {}));
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(
      &context, absl::StrCat("/", method.service()->full_name(), "/", method.name()), sent, &queue);
  call->StartCall();
  call->Finish(&received, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (!status.ok()) return FromGrpc(status);
  grpc::Slice whole;
  if (!received.DumpToSingleSlice(&whole).ok() ||
      !answer->ParseFromArray(whole.begin(), static_cast<int>(whole.size()))) {
    return absl::DataLossError(absl::StrCat("the answer is no ", method.output_type()->name()));
  }
  return absl::OkStatus();
}

absl::Status Unreachable(const absl::Status& status, const OpiOptions& options) {
  if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
  return Annotate(status, absl::StrCat("the xPU agent at ", options.agent,
                                       " does not answer; say where it is with --agent or in XPU_AGENT"));
}

}  // namespace

absl::Status ShowOpi(const OpiOptions& options, std::ostream& out) {
  XPU_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcOpiClient> opi,
                       GrpcOpiClient::Make(options.agent, {.tls = options.tls, .deadline = kPatience}));
  const absl::StatusOr<View> view = MakeView(*opi, options.what);
  if (!view.ok()) return Unreachable(view.status(), options);
  if (options.output == "json") {
    out << "{\"items\":[" << absl::StrJoin(view->items, ",\n") << "]}\n";
    return absl::OkStatus();
  }
  Table table(view->headings);
  for (const std::vector<std::string>& row : view->rows) table.AddRow(row);
  table.Print(out);
  return absl::OkStatus();
}

absl::Status CallOpi(const OpiOptions& options, std::ostream& out) {
  const auto* method = FindMethod(options.method);
  if (method == nullptr) {
    return absl::NotFoundError(absl::StrCat("\"", options.method,
                                            "\" is no method of OPI's networks; write for example ",
                                            "VrfService/ListVrfs or ChainService/ListNetworkFunctions"));
  }
  auto* const factory = google::protobuf::MessageFactory::generated_factory();
  const std::unique_ptr<Message> request(factory->GetPrototype(method->input_type())->New());
  const std::unique_ptr<Message> answer(factory->GetPrototype(method->output_type())->New());
  const auto parsed = google::protobuf::util::JsonStringToMessage(options.request, request.get());
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the request is no ", method->input_type()->name(),
                                                   " as JSON: ", std::string(parsed.message())));
  }
  XPU_ASSIGN_OR_RETURN(const auto channel, MakeChannel(options.agent, options.tls));
  if (const absl::Status status = Call(*channel, *method, *request, answer.get()); !status.ok()) {
    return Unreachable(status, options);
  }
  XPU_ASSIGN_OR_RETURN(const std::string json, ToJson(*answer, true));
  out << json;
  return absl::OkStatus();
}

void AddOpiCommand(CLI::App& app, std::ostream& out, std::ostream& err,
                   const std::function<std::string(const char*)>& environment) {
  CLI::App* command = app.add_subcommand("opi", "Show a card's OPI objects, or call its OPI services");
  // Owned by the callbacks, as the parser outlives this function.
  const auto options = std::make_shared<OpiOptions>();
  if (const std::string agent = environment("XPU_AGENT"); !agent.empty()) options->agent = agent;
  const auto run = [options, &out, &err](absl::Status (*what)(const OpiOptions&, std::ostream&)) {
    return [options, what, &out, &err] {
      if (const absl::Status status = what(*options, out); !status.ok()) {
        err << "xpuctl: " << absl::StatusCodeToString(status.code()) << ": " << status.message() << "\n";
        throw CLI::RuntimeError(1);
      }
    };
  };
  const auto add_address = [&options](CLI::App* to) {
    to->add_option("--agent", options->agent, "Where it serves: unix:PATH or HOST:PORT (or XPU_AGENT)")
        ->capture_default_str();
    to->add_option("--tls-cert", options->tls.certificate, "Certificate (PEM), for HOST:PORT");
    to->add_option("--tls-key", options->tls.key, "Its key");
    to->add_option("--tls-ca", options->tls.ca, "Authority of the agent's certificate");
  };
  command->require_subcommand(1);
  CLI::App* get = command->add_subcommand("get", "List vrfs, bridges, ports or svis");
  get->add_option("KIND", options->what, "vrfs, bridges, ports or svis")
      ->required()
      ->check(CLI::IsMember({"vrfs", "bridges", "ports", "svis"}));
  get->add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  add_address(get);
  get->callback(run(&ShowOpi));
  CLI::App* call = command->add_subcommand("call", "Make one call, with its request as JSON");
  call->add_option("METHOD", options->method, "For example VrfService/CreateVrf")->required();
  call->add_option("REQUEST", options->request, "As JSON of protocol buffers")->capture_default_str();
  add_address(call);
  call->callback(run(&CallOpi));
}

}  // namespace xpu
