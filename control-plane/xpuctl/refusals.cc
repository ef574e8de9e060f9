#include "control-plane/xpuctl/refusals.h"

#include <memory>
#include <ostream>

#include "CLI/CLI.hpp"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "common/base/status_macros.h"
#include "common/rpc/rpc.h"
#include "control-plane/xpuctl/table.h"
#include "nlohmann/json.hpp"
#include "xpu/agent/v1/access_service.grpc.pb.h"

namespace xpu {
namespace {

using nlohmann::json;

constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

absl::Status ShowRefusals(const RefusalsOptions& options, std::ostream& out) {
  XPU_ASSIGN_OR_RETURN(const auto channel, MakeChannel(options.agent));
  const auto stub = agent::v1::AccessService::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  agent::v1::ListRefusalsResponse response;
  if (const absl::Status status = FromGrpc(stub->ListRefusals(&context, {}, &response)); !status.ok()) {
    return Annotate(status, absl::StrCat("the xPU agent at ", options.agent,
                                         " does not answer; run this on the card, and say where it is with "
                                         "--agent or in XPU_AGENT"));
  }
  if (options.output == "json") {
    json items = json::array();
    for (const agent::v1::Refusal& refusal : response.refusals()) {
      items.push_back({{"identity", refusal.identity()},
                       {"reason", refusal.reason()},
                       {"count", refusal.count()},
                       {"lastCall", refusal.last_call()},
                       {"lastTime", refusal.last_time()}});
    }
    out << json{{"items", items}}.dump(2, ' ', false, json::error_handler_t::replace) << "\n";
    return absl::OkStatus();
  }
  Table table({"IDENTITY", "REASON", "COUNT", "LAST", "CALL"});
  for (const agent::v1::Refusal& refusal : response.refusals()) {
    table.AddRow({refusal.identity(), refusal.reason(), absl::StrCat(refusal.count()), refusal.last_time(),
                  refusal.last_call()});
  }
  table.Print(out);
  return absl::OkStatus();
}

void AddRefusalsCommand(CLI::App& app, std::ostream& out, std::ostream& err,
                        const std::function<std::string(const char*)>& environment) {
  CLI::App* command =
      app.add_subcommand("refusals", "Show which calls this card's agent has refused, and to whom");
  // Owned by the callback, as the parser outlives this function.
  const auto options = std::make_shared<RefusalsOptions>();
  if (const std::string agent = environment("XPU_AGENT"); !agent.empty()) options->agent = agent;
  command->add_option("-o,--output", options->output, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  command->add_option("--agent", options->agent, "Where it serves: unix:PATH (or XPU_AGENT)")
      ->capture_default_str();
  command->callback([options, &out, &err] {
    if (const absl::Status status = ShowRefusals(*options, out); !status.ok()) {
      err << "xpuctl: " << status.message() << "\n";
      throw CLI::RuntimeError(1);
    }
  });
}

}  // namespace xpu
