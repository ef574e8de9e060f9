#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"

namespace xpu::apiserver {

// A watch over a socket of its own, read only when asked, so that a test can be slow on purpose.
class TestWatch {
 public:
  // With a `token`, as whose it is.
  TestWatch(const std::string& endpoint, const std::string& path_and_query, const std::string& token = "");
  ~TestWatch();

  // Of the reply's first line; 0 if there was none.
  int code() const { return code_; }
  // The next line; nothing if the server has ended the reply, or after a generous deadline.
  std::optional<nlohmann::json> Next();
  // "ADDED name" of the next `count` events; fewer if the watch ends.
  std::vector<std::string> Lines(size_t count);
  // The client goes away without a word.
  void Close();

 private:
  bool Fill();
  std::optional<std::string> Line();

  int fd_ = -1;
  int code_ = 0;
  bool ended_ = false;
  std::string raw_;   // as it came
  std::string text_;  // without the framing of the chunks
};

}  // namespace xpu::apiserver
