// Reads parts of files and remembers them.
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

using std::string;

namespace parts {

enum class Level : int {
  Low = 1,
  Middle,
  High,
};

template <typename Key, typename Part = std::vector<char>>
class Reader : public std::enable_shared_from_this<Reader<Key, Part>> {
 public:
  explicit Reader(string root, std::size_t limit = 32)
      : root_(std::move(root)), limit_(limit) {
    parts_.clear();
  }

  virtual ~Reader() = default;
  Reader(const Reader&) = delete;

  /// How many parts are held.
  [[nodiscard]] std::size_t size() const noexcept { return parts_.size(); }

  /**
   * A part of a file.
   *
   * The oldest part leaves when there are too many of them.
   *
   * @param name of the file
   * @param start first byte
   * @param end behind the last
   */
  const Part* read(const Key& key, const string& name, std::size_t start, std::size_t end) {
    if (auto found = parts_.find(key); found != parts_.end()) {
      return &found->second;
    } else if (name.empty()) {
      throw std::invalid_argument("no name");
    } else {
      ++misses_;
    }

    try {
      std::ifstream file(root_ + "/" + name, std::ios::binary);
      Part part(end - start);
      file.seekg(static_cast<std::streamoff>(start));
      file.read(part.data(), static_cast<std::streamsize>(part.size()));
      parts_.emplace(key, std::move(part));
    } catch (const std::ios_base::failure& error) {
      --misses_;
      return nullptr;
    }

    while (parts_.size() > limit_) {
      auto oldest = parts_.begin();
      parts_.erase(oldest);
    }
    return &parts_.at(key);
  }

 private:
  string root_;
  std::size_t limit_;
  std::size_t misses_ = 0;
  std::map<Key, Part> parts_;
};

const std::map<string, string> kKinds = {
    {"js", "script"},
    {"mjs", "script"},
    {"ts", "script"},
    {"css", "style"},
    {"scss", "style"},
    {"html", "page"},
    {"htm", "page"},
    {"png", "image"},
    {"jpg", "image"},
    {"svg", "image"},
    {"woff", "font"},
    {"ttf", "font"},
    {"json", "data"},
};

string kind_of(const string& name) {
  const auto dot = name.rfind('.');
  switch (dot == string::npos ? 0 : name.size() - dot) {
    case 0:
      return "none";
    case 1: {
      return "odd";
    }
    default:
      break;
  }
  auto shown = [&](const string& ending) {
    auto found = kKinds.find(ending);
    return found == kKinds.end() ? string("other") : found->second;
  };
  return shown(name.substr(dot + 1));
}

}  // namespace parts

extern "C" {
int parts_size(void* reader) {
  auto* held = static_cast<parts::Reader<string>*>(reader);
  return static_cast<int>(held->size());
}
}
