#include "xpu-agent/datapath/ovs/vswitchd_control.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "xpu-agent/datapath/ovs/ovs_c.h"

namespace xpu {

absl::StatusOr<std::string> AskVswitchd(const std::string& folder, const std::string& command,
                                        const std::vector<std::string>& arguments) {
  // A daemon that was told where its socket is to be mostly has it without the number.
  std::string socket = folder + "/ovs-vswitchd.ctl";
  std::ifstream file(folder + "/ovs-vswitchd.pid");
  if (long pid = 0; file >> pid) socket = absl::StrCat(folder, "/ovs-vswitchd.", pid, ".ctl");
  xpu_ovs_init();
  std::vector<std::string> copies = arguments;
  std::vector<char*> words;
  for (std::string& argument : copies) words.push_back(argument.data());
  char* answer = nullptr;
  char* const error =
      xpu_ovs_unixctl(socket.c_str(), command.c_str(), static_cast<int>(words.size()), words.data(), &answer);
  if (error != nullptr) {
    const std::string why = error;
    xpu_ovs_free(error);
    if (answer != nullptr) xpu_ovs_free(answer);
    return why.find(socket) == std::string::npos ? absl::InvalidArgumentError(why)
                                                 : absl::UnavailableError(why);
  }
  std::string text = answer == nullptr ? "" : answer;
  if (answer != nullptr) xpu_ovs_free(answer);
  return text;
}

}  // namespace xpu
