#include "cni/config_head.h"

#include <cstdint>

#define JSON_NO_IO 1
#include "nlohmann/json.hpp"

namespace xpu {
namespace {

// nlohmann's events, as it calls them while it parses; false stops it.
class HeadReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return Scalar(); }
  bool boolean(bool) override { return Scalar(); }
  bool number_integer(number_integer_t) override { return Scalar(); }
  bool number_unsigned(number_unsigned_t) override { return Scalar(); }
  bool number_float(number_float_t, const string_t&) override { return Scalar(); }
  bool binary(binary_t&) override { return Scalar(); }
  bool string(string_t& value) override {
    if (wanted_ == nullptr) return Scalar();
    *wanted_ = std::move(value);
    wanted_ = nullptr;
    return true;
  }
  bool start_object(std::size_t) override {
    if (wanted_ != nullptr) return WrongType();
    ++depth_;
    return true;
  }
  bool start_array(std::size_t) override {
    if (wanted_ != nullptr) return WrongType();
    if (depth_ == 0) return NotAnObject();
    ++depth_;
    return true;
  }
  bool end_object() override { return --depth_, true; }
  bool end_array() override { return --depth_, true; }
  bool key(string_t& name) override {
    wanted_ = nullptr;
    if (depth_ != 1) return true;
    if (name == "cniVersion") wanted_ = &head.cni_version;
    if (name == "hostAgentSocket") wanted_ = &head.host_agent_socket;
    if (wanted_ != nullptr) wanted_name_ = name;
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 3: …": people need what follows the id.
    std::string_view what = e.what();
    if (const size_t end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    error = "at byte " + std::to_string(position) + ": " + std::string(what);
    return false;
  }

  ConfigHead head;
  std::string error;

 private:
  bool Scalar() {
    if (wanted_ != nullptr) return WrongType();
    if (depth_ == 0) return NotAnObject();
    return true;
  }
  bool WrongType() {
    error = wanted_name_ + " must be a string";
    return false;
  }
  bool NotAnObject() {
    error = "it must be one JSON object";
    return false;
  }

  int depth_ = 0;
  std::string* wanted_ = nullptr;
  std::string wanted_name_;
};

}  // namespace

Outcome<ConfigHead> ReadConfigHead(std::string_view config) {
  HeadReader reader;
  if (!nlohmann::json::sax_parse(config.begin(), config.end(), &reader)) {
    return CniFailure{kCniDecodingFailure, "cannot decode the network configuration on standard input",
                      reader.error};
  }
  return std::move(reader.head);
}

}  // namespace xpu
